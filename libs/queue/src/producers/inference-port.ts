import type { InferenceAnswer, InferenceRequest } from './inference-request.ts';

/** Is told how a request ends: one of its methods is called, once, and must not throw. */
export interface AnswerListener {
  onAnswer(answer: InferenceAnswer): void;
  /**
   * The error of the worker, `queue_full`, `deadline_exceeded`, `redis_unavailable`, `shutting_down` or `job_cancelled`. A refusal comes
   * before `begin` returns.
   */
  onError(error: unknown): void;
}

/** A request whose answer has not come. */
export interface PendingRequest {
  /** The caller does not wait any more: the request ends with `job_cancelled`. Without effect after its end. */
  giveUp(): void;
}

/** A request that is waited for with a promise. */
export interface PendingAnswer extends PendingRequest {
  readonly answer: Promise<InferenceAnswer>;
}

export interface BeginOptions {
  /** Epoch ms after which nobody wants the answer. */
  readonly deadlineMs: number;
  /**
   * Called at most once, when nobody reads the request's inputs any more; this may be some time after the answer. Not called when that is
   * not certain, for instance after an error: then the garbage collector has to find out.
   */
  readonly onInputsUnused?: () => void;
}

/** Runs requests whose callers wait. It has listeners, because a promise and its reactions would outlive many garbage collections (ADR 28). */
export interface InferencePort {
  /** Takes a request. Never throws. */
  begin(request: InferenceRequest, options: BeginOptions, listener: AnswerListener): PendingRequest;
}

/** What `begin` returns for a request that has ended already. */
export const ENDED: PendingRequest = { giveUp: () => undefined };

/** Takes a request, and tells its end with a promise. */
export function promiseAnswer(port: InferencePort, request: InferenceRequest, options: BeginOptions): PendingAnswer {
  const { promise, resolve, reject } = Promise.withResolvers<InferenceAnswer>();
  const pending = port.begin(request, options, { onAnswer: resolve, onError: reject });
  return { answer: promise, giveUp: () => pending.giveUp() };
}

/** Waits for an answer. Gives the request up when `signal` is aborted. */
export async function waitForAnswer(pending: PendingAnswer, signal?: AbortSignal): Promise<InferenceAnswer> {
  const { answer } = pending;
  if (signal === undefined) return answer;
  const giveUp = (): void => pending.giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    return await answer;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
