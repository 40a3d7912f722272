/** Busy time after which earlier counts weigh half. */
const HALF_LIFE_MS = 2_000;
/** With fewer requests waiting, the rate says little: requests that wait together are run together. */
const LEAST_OUTSTANDING = 64;
/** A shorter busy time is no measurement. */
const LEAST_BUSY_MS = 100;

/**
 * How fast answers of one request line come back to this process while requests wait. The time counts from one answer to the next, so
 * a line with little to do does not look slow, and neither does one whose model is still loading. With several API processes, this is
 * the rate at which workers answer this process.
 */
export class AnswerRate {
  #outstanding = 0;
  #answers = 0;
  #busyMs = 0;
  #sinceMs = 0;
  /** Whether an answer has come since requests began to wait. */
  #flows = false;

  /** Requests that wait for an answer. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** A request begins to wait. */
  begin(nowMs: number): void {
    this.#advance(nowMs);
    this.#outstanding += 1;
  }

  /** A request has ended: `answered` by a worker, with outputs or an error, or given up. */
  end(nowMs: number, answered: boolean): void {
    this.#advance(nowMs);
    this.#outstanding -= 1;
    if (answered && this.#flows) this.#answers += 1;
    this.#flows = this.#outstanding > 0 && (this.#flows || answered);
    if (this.#busyMs < HALF_LIFE_MS) return;
    this.#busyMs /= 2;
    this.#answers /= 2;
  }

  /** How long one more request would wait for its answer, ms; undefined when too little is known, or too few requests wait. */
  expectedWaitMs(): number | undefined {
    if (this.#outstanding < LEAST_OUTSTANDING || this.#busyMs < LEAST_BUSY_MS || this.#answers === 0) return undefined;
    return ((this.#outstanding + 1) * this.#busyMs) / this.#answers;
  }

  #advance(nowMs: number): void {
    if (this.#flows) this.#busyMs += nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
  }
}
