import type { QueuedRequest, RequestTiming, TraceContext } from '@sconce/contracts';
import type { Tensor } from '@sconce/tensor';

/** The id of the trace that is recorded; undefined where none is. */
export function traceIdOf(trace: TraceContext | undefined): string | undefined {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f][13579bdf]/.exec(trace?.traceparent ?? '')?.[1];
}

/** One request: checked against the model's signature by the caller. */
export interface InferenceRequest {
  readonly model: string;
  readonly version: string;
  readonly pool: string;
  /** In the signature's order. Their memory is written to Redis as it is, again after a lost connection: it must stay so until the answer. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs wanted, in order. */
  readonly outputs: readonly string[];
  /** 1 (first) to 255 among those that wait in a worker. */
  readonly priority?: number;
  readonly trace?: TraceContext;
}

export interface InferenceAnswer {
  readonly outputs: readonly Tensor[];
  readonly timing: RequestTiming;
}

/** The request as it rides in a queue job; its tensors go into the payload. */
export function toQueuedRequest(
  id: string,
  request: InferenceRequest,
  own: Pick<QueuedRequest, 'acceptedAtMs' | 'deadlineMs' | 'durable'>,
): QueuedRequest {
  const { inputs, outputs, priority, trace } = request;
  return {
    id,
    inputs: inputs.length,
    outputs: [...outputs],
    ...own,
    ...(priority === undefined ? {} : { priority }),
    ...(trace ? { trace } : {}),
  };
}
