import type { BatchableModel } from './batch-request.ts';
import { RunTimeEstimate } from './run-time-estimate.ts';

/** What the batcher knows about one model: how long its runs take, how many are in flight, and its share of the threads' time. */
export class ModelShare {
  readonly estimate: RunTimeEstimate;
  /** The longest run of the model that is known, ms; 0 if none is. */
  longestMs: number;
  /** Runs in flight. */
  running = 0;
  /** Request lines of the model. */
  lines = 0;
  /** Thread time that the model has had, ms, compared with other models (virtual time). The model with the least time goes first. */
  virtualMs: number;

  constructor(model: BatchableModel, virtualMs: number) {
    this.estimate = new RunTimeEstimate(model.measured);
    this.longestMs = Math.max(0, ...(model.measured ?? []).map(({ latencyMs }) => latencyMs));
    this.virtualMs = virtualMs;
  }

  /** A run has ended. */
  record(rows: number, ms: number): void {
    this.estimate.record(rows, ms);
    this.learn(ms);
  }

  /** The model is known to have run for so long. */
  learn(ms: number): void {
    if (ms > this.longestMs) this.longestMs = ms;
  }
}

/** Models without requests whose run times are remembered. */
const MAX_IDLE_SHARES = 1024;

/** The shares of all models, by model file. */
export class ModelShares {
  readonly #shares = new Map<string, ModelShare>();
  /** The present virtual time: a model gets no credit for the time in which it had no requests. */
  #nowMs = 0;

  of(model: BatchableModel): ModelShare {
    const known = this.#shares.get(model.file.key);
    if (known !== undefined) return known;
    const share = new ModelShare(model, this.#nowMs);
    this.#shares.set(model.file.key, share);
    if (this.#shares.size > MAX_IDLE_SHARES) this.#forgetIdle();
    return share;
  }

  /** A model has requests again. */
  activate(share: ModelShare): void {
    share.virtualMs = Math.max(share.virtualMs, this.#nowMs);
  }

  /** A model gets a run that is expected to take `ms`. */
  charge(share: ModelShare, ms: number): void {
    this.#nowMs = Math.max(this.#nowMs, share.virtualMs);
    share.virtualMs += ms;
  }

  #forgetIdle(): void {
    for (const [id, { running, lines }] of this.#shares) {
      if (running === 0 && lines === 0) {
        this.#shares.delete(id);
        return;
      }
    }
  }
}
