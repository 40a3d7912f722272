/** Work in steps that take well under a millisecond each. Its value is the result. */
export type SlicedWork<T> = Iterator<unknown, T, undefined>;

/** The longest that sliced work holds the event loop in one turn, ms, if its steps are short. */
const SLICE_MS = 4;

interface Waiting {
  /** Runs the work until the time is over. True if it has ended. */
  run(untilMs: number): boolean;
}

/**
 * Runs work in slices, so that the event loop is free in between. All work of one instance shares one slice per turn of the event loop,
 * and takes turns.
 */
export class Slices {
  readonly #waiting: Waiting[] = [];
  readonly #sliceMs: number;
  /** Time that is left of this turn's slice, ms. */
  #leftMs: number;
  #isScheduled = false;

  readonly #now: () => number;

  /** `now` gives milliseconds of a monotonic clock. */
  constructor({ sliceMs = SLICE_MS, now = () => performance.now() } = {}) {
    this.#sliceMs = sliceMs;
    this.#now = now;
    this.#leftMs = sliceMs;
  }

  /** Runs work. The result is there at once if the rest of this turn's slice is enough. Errors of the work are thrown. */
  run<T>(work: SlicedWork<T>): T | Promise<T> {
    if (this.#waiting.length === 0 && this.#leftMs > 0) {
      const startMs = this.#now();
      const untilMs = startMs + this.#leftMs;
      this.#schedule();
      try {
        do {
          const step = work.next();
          if (step.done === true) return step.value;
        } while (this.#now() < untilMs);
      } finally {
        this.#leftMs -= this.#now() - startMs;
      }
    }
    return this.#wait(work);
  }

  #wait<T>(work: SlicedWork<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push({
      run: (untilMs) => {
        try {
          do {
            const step = work.next();
            if (step.done === true) {
              resolve(step.value);
              return true;
            }
          } while (this.#now() < untilMs);
          return false;
        } catch (error) {
          reject(error as Error);
          return true;
        }
      },
    });
    this.#schedule();
    return promise;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#leftMs = this.#sliceMs;
      this.#turn();
    });
  }

  /** One slice. Work that ends early leaves the rest of the slice to the next. */
  #turn(): void {
    const startMs = this.#now();
    const untilMs = startMs + this.#sliceMs;
    do {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      if (!next.run(untilMs)) this.#waiting.push(next);
    } while (this.#now() < untilMs);
    this.#leftMs -= this.#now() - startMs;
    if (this.#waiting.length > 0) this.#schedule();
  }
}
