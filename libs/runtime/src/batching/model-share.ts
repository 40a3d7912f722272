import type { BatchableModel } from './batch-request.ts';
import { RunTimeEstimate } from './run-time-estimate.ts';

/** What the batcher remembers of one model: how long its runs take, what is running, and its share of the threads' time. */
export class ModelShare {
  readonly estimate: RunTimeEstimate;
  /** Runs under way. */
  running = 0;
  /** Lines with requests of it. */
  lines = 0;
  /** Thread time it has had, ms, on the scale of the model that has had least: who has had least goes first. */
  virtualMs: number;

  constructor(model: BatchableModel, virtualMs: number) {
    this.estimate = new RunTimeEstimate(model.measured);
    this.virtualMs = virtualMs;
  }
}

/** Models remembered that nothing waits for or runs: what was learned of their run times. */
const MAX_IDLE_SHARES = 1024;

/** Shares by model file. */
export class ModelShares {
  readonly #shares = new Map<string, ModelShare>();
  /** Where time stands: a model that comes back after a pause has not saved up for it. */
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

  /** A model is given a run that is expected to take so long. */
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
