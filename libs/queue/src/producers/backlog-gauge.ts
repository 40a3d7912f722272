const STALE_MS = 250;
const MAX_RETRY_AFTER_SECONDS = 60;

/**
 * How many jobs wait in one queue, exact enough for admission and without a Redis round trip per request: a sample that is
 * at most 250 ms old, plus the jobs that this process has added since, and how fast the queue drains.
 */
export class BacklogGauge {
  readonly #count: () => Promise<number>;
  #sample = 0;
  #sampledAtMs = -Infinity;
  #added = 0;
  #drainPerSecond = 0;
  #refreshing: Promise<void> | undefined;

  constructor(count: () => Promise<number>) {
    this.#count = count;
  }

  /** Jobs waiting, as far as known. Waits for Redis only when the sample is too old, or there is none. */
  async waiting(): Promise<number> {
    if (performance.now() - this.#sampledAtMs > STALE_MS) {
      this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
      await this.#refreshing;
    }
    return this.#sample + this.#added;
  }

  /** To be called for each job that this process adds. */
  noteAdded(): void {
    this.#added += 1;
  }

  /** To be called for each waiting job that this process removes. */
  noteRemoved(): void {
    this.#added -= 1;
  }

  /** When a refused caller should try again, from the measured drain rate; 1 to 60 s. */
  retryAfterSeconds(limit: number): number {
    const excess = this.#sample + this.#added - limit + 1;
    if (this.#drainPerSecond <= 0) return 5;
    return Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, Math.ceil(excess / this.#drainPerSecond)));
  }

  async #refresh(): Promise<void> {
    const before = this.#sample + this.#added;
    const count = await this.#count();
    const nowMs = performance.now();
    const seconds = (nowMs - this.#sampledAtMs) / 1_000;
    if (Number.isFinite(seconds) && seconds > 0) this.#drainPerSecond = Math.max(0, before - count) / seconds;
    this.#sample = count;
    this.#added = 0;
    this.#sampledAtMs = nowMs;
  }
}
