import { SconceError } from '@sconce/errors';
import { epochMs, withTimeout } from '@sconce/process/time';
import type { AnswerListener, BeginOptions, InferencePort, InferenceRequest, PendingRequest } from '@sconce/queue';
import type { InferenceProcessor } from '../inference/inference.processor.ts';

export interface LocalRunnerOptions {
  readonly processor: Pick<InferenceProcessor, 'handle'>;
  /** Most requests that wait for an answer. */
  readonly maxOutstanding: number;
  /** Most bytes of inputs of requests that wait for an answer. A single request may have more. */
  readonly maxOutstandingBytes: number;
}

interface Outstanding {
  readonly deadlineMs: number;
  readonly bytes: number;
  /** Whether it need not be run any more. */
  aborted: boolean;
  readonly listener: AnswerListener;
}

/**
 * Runs requests in this process: it hands them straight to the batcher. Nothing is durable.
 *
 * States: *open* → *closing* (`close`: refuses new requests, waits for those that it has) → *closed*. A request settles once: with its
 * answer, its error, at its deadline, or when its caller gives up. What still runs then ends without effect.
 */
export class LocalRunner implements InferencePort {
  readonly #options: LocalRunnerOptions;
  readonly #outstanding = new Set<Outstanding>();
  #bytes = 0;
  #ids = 0;
  #closing = false;
  #idle: (() => void) | undefined;
  /** One timer for all deadlines: it is set for the earliest. */
  #timer: NodeJS.Timeout | undefined;
  #timerMs = Infinity;

  constructor(options: LocalRunnerOptions) {
    this.#options = options;
  }

  /** Requests that wait for an answer. */
  get outstanding(): number {
    return this.#outstanding.size;
  }

  begin(
    request: InferenceRequest,
    { deadlineMs, onInputsUnused }: BeginOptions,
    listener: AnswerListener,
  ): PendingRequest {
    let bytes = 0;
    for (const { data } of request.inputs) bytes += data.byteLength;
    const refused = this.#refusal(bytes);
    if (refused !== undefined) {
      listener.onError(refused);
      return { giveUp: () => undefined };
    }
    const outstanding: Outstanding = { deadlineMs, bytes, aborted: false, listener };
    this.#outstanding.add(outstanding);
    this.#bytes += bytes;
    if (deadlineMs < this.#timerMs) this.#arm(deadlineMs);
    const nowMs = epochMs();
    const handled = this.#options.processor.handle({
      model: request.model,
      version: request.version,
      lane: 'online',
      owner: request.owner,
      request: {
        id: String(++this.#ids),
        inputs: request.inputs.length,
        outputs: request.outputs as string[],
        acceptedAtMs: nowMs,
        deadlineMs,
        durable: false,
        ...(request.priority === undefined ? {} : { priority: request.priority }),
        ...(request.trace === undefined ? {} : { trace: request.trace }),
      },
      inputs: request.inputs,
      takenAtMs: nowMs,
      delivery: 1,
      jobRequests: 1,
      signal: outstanding,
    });
    handled.then(
      (answer) => {
        // All rows have run, so they were copied for their threads.
        onInputsUnused?.();
        if (this.#settled(outstanding)) listener.onAnswer(answer);
      },
      (error: unknown) => {
        if (this.#settled(outstanding)) listener.onError(error);
      },
    );
    return {
      giveUp: () => this.#end(outstanding, new SconceError('job_cancelled', 'The caller has gone.')),
    };
  }

  /** Refuses new requests, and waits until those that it has are answered, at most `graceMs`. Returns whether all were. */
  async close(graceMs: number): Promise<boolean> {
    this.#closing = true;
    if (this.#outstanding.size > 0) {
      const idle = new Promise<void>((resolve) => (this.#idle = resolve));
      await withTimeout(idle, graceMs);
    }
    const drained = this.#outstanding.size === 0;
    for (const outstanding of this.#outstanding) this.#end(outstanding, shuttingDown());
    clearTimeout(this.#timer);
    return drained;
  }

  #refusal(bytes: number): SconceError | undefined {
    const { maxOutstanding, maxOutstandingBytes } = this.#options;
    if (this.#closing) return shuttingDown();
    if (this.#outstanding.size >= maxOutstanding) {
      return queueFull(`${maxOutstanding} requests are already waiting for an answer`);
    }
    if (this.#bytes + bytes > maxOutstandingBytes && this.#outstanding.size > 0) {
      return queueFull(`${maxOutstandingBytes} bytes of requests are already waiting for an answer`);
    }
    return undefined;
  }

  #settled(outstanding: Outstanding): boolean {
    if (!this.#outstanding.delete(outstanding)) return false;
    this.#bytes -= outstanding.bytes;
    if (this.#outstanding.size === 0) this.#idle?.();
    return true;
  }

  #end(outstanding: Outstanding, error: SconceError): void {
    if (!this.#settled(outstanding)) return;
    outstanding.listener.onError(error);
    // It is not run if it waits for a thread.
    outstanding.aborted = true;
  }

  #arm(deadlineMs: number): void {
    clearTimeout(this.#timer);
    this.#timerMs = deadlineMs;
    this.#timer = setTimeout(() => this.#onDeadline(), Math.max(0, deadlineMs - Date.now())).unref();
  }

  #onDeadline(): void {
    const nowMs = Date.now();
    let nextMs = Infinity;
    for (const outstanding of this.#outstanding) {
      if (outstanding.deadlineMs <= nowMs) {
        this.#end(outstanding, new SconceError('deadline_exceeded', "No answer came within the request's timeout."));
      } else nextMs = Math.min(nextMs, outstanding.deadlineMs);
    }
    this.#timerMs = Infinity;
    if (nextMs < Infinity) this.#arm(nextMs);
  }
}

function queueFull(why: string): SconceError {
  return new SconceError('queue_full', `Too much is waiting: ${why}. Try again in 1 s.`, {
    details: { retryAfterSeconds: 1 },
  });
}

function shuttingDown(): SconceError {
  return new SconceError('shutting_down', 'The server is shutting down; send the request again.');
}
