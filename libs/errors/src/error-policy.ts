/** Every error code of the product, by family. A new code needs a line in ERROR_POLICY or it does not compile. */
export type ErrorCode =
  // input: the caller can mend it
  | 'invalid_request'
  | 'unauthenticated'
  | 'forbidden'
  | 'invalid_tensor'
  | 'invalid_dataset'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'unsupported'
  | 'not_found'
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
  // model: the file is at fault
  | 'model_invalid'
  | 'model_not_ready'
  | 'parity_failed'
  | 'model_corrupt'
  // capacity: try later
  | 'rate_limited'
  | 'queue_full'
  | 'deadline_exceeded'
  | 'shutting_down'
  // inference: the run is at fault
  | 'inference_failed'
  | 'thread_crashed'
  | 'worker_lost'
  // dependency: something beside us is down
  | 'redis_unavailable'
  | 'storage_unavailable'
  | 'server_unreachable'
  // invariant: we are at fault
  | 'internal';

/** What the edges do with an error: the API answers `http`, the worker reads `retry`, both log at `logLevel`. */
export interface ErrorPolicy {
  /** HTTP status of the answer. */
  readonly http: number;
  /** Whether a queue job that failed so is run again. */
  readonly retry: 'never' | 'backoff';
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

const caller = (http: number): ErrorPolicy => ({ http, retry: 'never', logLevel: 'debug' });

export const ERROR_POLICY: Readonly<Record<ErrorCode, ErrorPolicy>> = {
  invalid_request: caller(400),
  unauthenticated: caller(401),
  forbidden: caller(403),
  invalid_tensor: caller(400),
  invalid_dataset: caller(422),
  payload_too_large: caller(413),
  unsupported_media_type: caller(415),
  unsupported: caller(501),
  not_found: caller(404),
  model_not_found: caller(404),
  job_not_found: caller(404),
  batch_not_found: caller(404),
  file_not_found: caller(404),
  version_exists: caller(409),
  version_in_use: caller(409),
  idempotency_conflict: caller(422),
  job_not_finished: caller(409),
  batch_not_finished: caller(409),
  job_cancelled: caller(409),
  model_invalid: { http: 422, retry: 'never', logLevel: 'warn' },
  model_not_ready: { http: 503, retry: 'never', logLevel: 'info' },
  parity_failed: { http: 422, retry: 'never', logLevel: 'warn' },
  model_corrupt: { http: 503, retry: 'never', logLevel: 'error' },
  rate_limited: { http: 429, retry: 'never', logLevel: 'info' },
  queue_full: { http: 429, retry: 'never', logLevel: 'info' },
  deadline_exceeded: { http: 504, retry: 'never', logLevel: 'info' },
  shutting_down: { http: 503, retry: 'backoff', logLevel: 'info' },
  inference_failed: { http: 500, retry: 'never', logLevel: 'warn' },
  thread_crashed: { http: 500, retry: 'backoff', logLevel: 'error' },
  worker_lost: { http: 500, retry: 'never', logLevel: 'error' },
  redis_unavailable: { http: 503, retry: 'backoff', logLevel: 'error' },
  storage_unavailable: { http: 503, retry: 'backoff', logLevel: 'error' },
  server_unreachable: { http: 503, retry: 'never', logLevel: 'error' },
  internal: { http: 500, retry: 'never', logLevel: 'error' },
};
