/** Every error code of the product, by family. A new code needs a line in `ERROR_POLICY`, or the code does not compile. */
export type ErrorCode =
  // input: the caller can correct it
  | 'invalid_request'
  | 'unauthenticated'
  | 'forbidden'
  | 'invalid_tensor'
  | 'invalid_dataset'
  | 'payload_too_large'
  | 'over_budget'
  | 'request_timeout'
  | 'unsupported_media_type'
  | 'unsupported'
  | 'not_found'
  | 'method_not_allowed'
  | 'model_not_found'
  | 'job_not_found'
  | 'batch_not_found'
  | 'file_not_found'
  | 'version_exists'
  | 'version_in_use'
  | 'idempotency_conflict'
  | 'job_not_finished'
  | 'batch_not_finished'
  | 'job_cancelled'
  // model: the model file is wrong
  | 'model_invalid'
  | 'model_not_ready'
  | 'parity_failed'
  | 'model_corrupt'
  // capacity: try later
  | 'rate_limited'
  | 'queue_full'
  | 'quota_exceeded'
  | 'deadline_exceeded'
  | 'shutting_down'
  // inference: a run failed
  | 'inference_failed'
  | 'invalid_input'
  | 'out_of_memory'
  | 'run_crashed'
  | 'thread_crashed'
  | 'worker_lost'
  // dependency: Redis, the blob store or the server does not answer
  | 'redis_unavailable'
  | 'storage_unavailable'
  | 'storage_full'
  | 'server_unreachable'
  // invariant: a fault in Sconce itself
  | 'internal';

/** How an error is handled: the API answers with `http`, the worker reads `retry`, both log at `logLevel`. */
export interface ErrorPolicy {
  /** HTTP status of the answer. */
  readonly http: number;
  /** Whether a queue job that failed with this error is run again. */
  readonly retry: 'never' | 'backoff';
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

const callerError = (http: number): ErrorPolicy => ({ http, retry: 'never', logLevel: 'debug' });

/** The policy of every error code. The API's error filter and the worker's consumers only read it. */
export const ERROR_POLICY: Readonly<Record<ErrorCode, ErrorPolicy>> = {
  invalid_request: callerError(400),
  unauthenticated: callerError(401),
  forbidden: callerError(403),
  invalid_tensor: callerError(400),
  invalid_dataset: callerError(422),
  payload_too_large: callerError(413),
  over_budget: callerError(422),
  request_timeout: callerError(408),
  unsupported_media_type: callerError(415),
  unsupported: callerError(501),
  not_found: callerError(404),
  method_not_allowed: callerError(405),
  model_not_found: callerError(404),
  job_not_found: callerError(404),
  batch_not_found: callerError(404),
  file_not_found: callerError(404),
  version_exists: callerError(409),
  version_in_use: callerError(409),
  idempotency_conflict: callerError(422),
  job_not_finished: callerError(409),
  batch_not_finished: callerError(409),
  job_cancelled: callerError(409),
  model_invalid: { http: 422, retry: 'never', logLevel: 'warn' },
  model_not_ready: { http: 503, retry: 'never', logLevel: 'info' },
  parity_failed: { http: 422, retry: 'never', logLevel: 'warn' },
  model_corrupt: { http: 503, retry: 'never', logLevel: 'error' },
  rate_limited: { http: 429, retry: 'never', logLevel: 'info' },
  queue_full: { http: 429, retry: 'never', logLevel: 'info' },
  quota_exceeded: { http: 429, retry: 'never', logLevel: 'info' },
  deadline_exceeded: { http: 504, retry: 'never', logLevel: 'info' },
  shutting_down: { http: 503, retry: 'backoff', logLevel: 'info' },
  inference_failed: { http: 500, retry: 'never', logLevel: 'warn' },
  invalid_input: callerError(422),
  out_of_memory: { http: 422, retry: 'never', logLevel: 'warn' },
  run_crashed: { http: 422, retry: 'never', logLevel: 'warn' },
  thread_crashed: { http: 500, retry: 'backoff', logLevel: 'error' },
  worker_lost: { http: 500, retry: 'never', logLevel: 'error' },
  redis_unavailable: { http: 503, retry: 'backoff', logLevel: 'error' },
  storage_unavailable: { http: 503, retry: 'backoff', logLevel: 'error' },
  storage_full: { http: 503, retry: 'backoff', logLevel: 'error' },
  server_unreachable: { http: 503, retry: 'never', logLevel: 'error' },
  internal: { http: 500, retry: 'never', logLevel: 'error' },
};

const RUN_FAILURES: ReadonlySet<ErrorCode> = new Set([
  'inference_failed',
  'invalid_input',
  'out_of_memory',
  'run_crashed',
  'over_budget',
]);

/** Whether a run ended with this error because of what it was given: the same model may succeed with other inputs. */
export function isRunFailure(code: ErrorCode): boolean {
  return RUN_FAILURES.has(code);
}
