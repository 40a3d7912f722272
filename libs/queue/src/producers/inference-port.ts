import type { InferenceAnswer, InferenceRequest } from './inference-request.ts';

/** A request whose answer has not come. */
export interface PendingAnswer {
  /** Rejects with the error of the worker, `queue_full`, `deadline_exceeded`, `redis_unavailable`, `shutting_down` or `job_cancelled`. */
  readonly answer: Promise<InferenceAnswer>;
  /** The caller does not wait any more: `answer` rejects with `job_cancelled`. Without effect after the answer. */
  readonly giveUp: () => void;
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

/** Runs requests whose callers wait. */
export interface InferencePort {
  /** Takes a request. Never throws: a refusal is a rejected `answer`. */
  begin(request: InferenceRequest, options: BeginOptions): PendingAnswer;
}

/** Waits for an answer. Gives the request up when `signal` is aborted. */
export async function waitForAnswer({ answer, giveUp }: PendingAnswer, signal?: AbortSignal): Promise<InferenceAnswer> {
  if (signal === undefined) return answer;
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    return await answer;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
