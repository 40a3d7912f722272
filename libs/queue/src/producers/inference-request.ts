import type { QueuedRequest, RequestTiming, TraceContext } from '@sconce/contracts';
import type { Tensor } from '@sconce/tensor';

/** The id of the trace; undefined when there is none, or it is not recorded. */
export function traceIdOf(trace: TraceContext | undefined): string | undefined {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f][13579bdf]/.exec(trace?.traceparent ?? '')?.[1];
}

/** One request. The caller has checked it against the model's signature. */
export interface InferenceRequest {
  readonly model: string;
  readonly version: string;
  readonly pool: string;
  /** In the order of the signature. Redis gets them straight from this memory, also after a reconnect: it must not change until the answer. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs to return, in order. */
  readonly outputs: readonly string[];
  /** 1 (first) to 255 among the requests that wait in a worker. */
  readonly priority?: number;
  /** Owner of the caller's key. Requests of one owner do not delay the requests of another. */
  readonly owner?: string;
  readonly trace?: TraceContext;
  /** Most bytes of the outputs, if the caller's key limits them. It holds for jobs: who waits for an answer checks the answer. */
  readonly maxOutputBytes?: number | undefined;
}

export interface InferenceAnswer {
  readonly outputs: readonly Tensor[];
  readonly timing: RequestTiming;
  /**
   * The memory that large outputs are views of, which other answers may use too. Who has read the outputs may `end` its use; else the garbage
   * collector has to find out.
   */
  readonly memory?: { end(): void } | undefined;
}

/** The request as a queue job holds it. Its tensors go into the payload. */
export function toQueuedRequest(
  id: string,
  request: InferenceRequest,
  own: Pick<QueuedRequest, 'acceptedAtMs' | 'deadlineMs' | 'durable'>,
): QueuedRequest {
  const { inputs, outputs, priority, trace, maxOutputBytes } = request;
  return {
    id,
    inputs: inputs.length,
    outputs: [...outputs],
    ...own,
    priority,
    trace,
    maxOutputBytes,
  };
}
