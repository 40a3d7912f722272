/** Busy time after which what was counted weighs half. */
const HALF_LIFE_MS = 2_000;
/** Fewer in waiting say little of the rate: what waits together is run together. */
const LEAST_OUTSTANDING = 64;
/** Less than that is no measurement. */
const LEAST_BUSY_MS = 100;

/**
 * How fast the answers of one line (a model version) come back to this process while any are awaited, counted from one answer to the
 * next: a line with little to do is not a slow one, nor is one whose model is still being loaded. With several API processes it is
 * this one's share of the workers.
 */
export class AnswerRate {
  #outstanding = 0;
  #answers = 0;
  #busyMs = 0;
  #sinceMs = 0;
  /** Whether an answer has come since all had been answered. */
  #flows = false;

  /** Requests whose answers are awaited. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** A request begins to wait. */
  begin(nowMs: number): void {
    this.#advance(nowMs);
    this.#outstanding += 1;
  }

  /** It has ended: `answered` by a worker, whatever with, or given up. */
  end(nowMs: number, answered: boolean): void {
    this.#advance(nowMs);
    this.#outstanding -= 1;
    if (answered && this.#flows) this.#answers += 1;
    this.#flows = this.#outstanding > 0 && (this.#flows || answered);
    if (this.#busyMs < HALF_LIFE_MS) return;
    this.#busyMs /= 2;
    this.#answers /= 2;
  }

  /** How long one more request would wait for its answer, ms; undefined where too little is known, or too little waits. */
  expectedWaitMs(): number | undefined {
    if (this.#outstanding < LEAST_OUTSTANDING || this.#busyMs < LEAST_BUSY_MS || this.#answers === 0) return undefined;
    return ((this.#outstanding + 1) * this.#busyMs) / this.#answers;
  }

  #advance(nowMs: number): void {
    if (this.#flows) this.#busyMs += nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
  }
}
