/** What a placement needs to know of a thread. */
export interface PlacementThread {
  readonly id: number;
  /** Tasks handed to it and not answered. */
  readonly currentUsage: number;
}

/** Threads remembered to hold one model; beyond that the oldest entries are forgotten, and loading is found out again. */
const MAX_MODELS = 4096;

/**
 * Which thread runs what: many models on few threads, so that a model is loaded where it is wanted and nowhere else, and loading
 * never stands in the way of what is loaded already.
 *
 * A thread *lacks* a model → *loads* it (`started` on a thread that lacks it) → *holds* it (`answered`) → lacks it (`dropped`). What
 * is known may be out of date (a thread lets models go by itself): it decides where a run goes, never whether it is right.
 */
export class ThreadPlacement {
  readonly #holders = new Map<string, Set<number>>();
  /** Thread → the model it loads. */
  readonly #loading = new Map<number, string>();

  /** The thread for a run: one that holds the model, else the one with least to do that does not load another. */
  choose<T extends PlacementThread>(model: string, threads: readonly T[]): T | undefined {
    const holders = this.#holders.get(model);
    const held = threads.filter(({ id }) => holders?.has(id) === true && !this.#loading.has(id));
    if (held.length > 0) return leastBusy(held);
    const underWay = threads.filter(({ id }) => this.#loading.get(id) === model);
    if (underWay.length > 0) return leastBusy(underWay);
    return leastBusy(threads.filter(({ id }) => !this.#loading.has(id))) ?? leastBusy(threads);
  }

  /**
   * A thread on which the model should be loaded as well: idle, while every one that holds it is busy. One at a time.
   */
  spread<T extends PlacementThread>(model: string, threads: readonly T[]): T | undefined {
    const holders = this.#holders.get(model);
    if (holders === undefined) return undefined;
    let idle: T | undefined;
    for (const thread of threads) {
      if (this.#loading.get(thread.id) === model) return undefined;
      const holds = holders.has(thread.id);
      if (holds && thread.currentUsage === 0) return undefined;
      if (!holds && thread.currentUsage === 0 && !this.#loading.has(thread.id)) idle ??= thread;
    }
    return idle;
  }

  /** A task that needs the model goes to the thread. */
  started(model: string, thread: number): void {
    if (this.#holders.get(model)?.has(thread) !== true && !this.#loading.has(thread)) this.#loading.set(thread, model);
  }

  /** A task that needed the model has been answered; `loaded`: the thread holds it now. */
  answered(model: string, thread: number, loaded: boolean): void {
    if (this.#loading.get(thread) === model) this.#loading.delete(thread);
    if (!loaded) {
      this.#holders.get(model)?.delete(thread);
      return;
    }
    const holders = this.#holders.get(model) ?? new Set();
    this.#holders.set(model, holders.add(thread));
    if (this.#holders.size > MAX_MODELS) this.#holders.delete(this.#holders.keys().next().value ?? model);
  }

  /** Every thread lets the model go. */
  dropped(model: string): void {
    this.#holders.delete(model);
  }

  /** A thread is gone, and nobody knows which. */
  forgetThreads(): void {
    this.#holders.clear();
    this.#loading.clear();
  }
}

/** The thread with least to do. */
export function leastBusy<T extends PlacementThread>(threads: readonly T[]): T | undefined {
  let best: T | undefined;
  for (const thread of threads) if (best === undefined || thread.currentUsage < best.currentUsage) best = thread;
  return best;
}
