/** The facts about a thread that its placement depends on. */
export interface PlacementThread {
  readonly id: number;
  /** Tasks handed to it and not answered. */
  readonly currentUsage: number;
}

/** Models whose threads are remembered. Beyond that the oldest entries are forgotten and found out again. */
const MAX_MODELS = 4096;

/**
 * Chooses the thread of each run. Many models share few threads, so a model is loaded only in threads that need it, and loading one
 * model does not delay runs of models that are loaded already.
 *
 * A thread *lacks* a model → *loads* it (`started` on a thread that lacks it) → *holds* it (`answered`) → lacks it (`dropped`). This
 * knowledge may be out of date, since a thread evicts models by itself. It decides where a run goes; every thread gives the right result.
 */
export class ThreadPlacement {
  readonly #holders = new Map<string, Set<number>>();
  /** Thread → the model it loads. */
  readonly #loading = new Map<number, string>();

  /** The thread for a run: a thread that holds the model, else the least busy thread that does not load another model. */
  choose<T extends PlacementThread>(model: string, threads: readonly T[]): T | undefined {
    const holders = this.#holders.get(model);
    const held = threads.filter(({ id }) => holders?.has(id) === true && !this.#loading.has(id));
    if (held.length > 0) return leastBusy(held);
    const isLoading = threads.filter(({ id }) => this.#loading.get(id) === model);
    if (isLoading.length > 0) return leastBusy(isLoading);
    return leastBusy(threads.filter(({ id }) => !this.#loading.has(id))) ?? leastBusy(threads);
  }

  /**
   * A thread that should load the model as well: it is idle, and every thread that holds the model is busy. Only one thread at a time.
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

  /** A task that needed the model was answered. `loaded`: the thread holds the model now. */
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

  /** Every thread unloads the model. */
  dropped(model: string): void {
    this.#holders.delete(model);
  }

  /** A thread is gone, and it is not known which. */
  forgetThreads(): void {
    this.#holders.clear();
    this.#loading.clear();
  }
}

/** The thread with the fewest tasks. */
export function leastBusy<T extends PlacementThread>(threads: readonly T[]): T | undefined {
  let best: T | undefined;
  for (const thread of threads) if (best === undefined || thread.currentUsage < best.currentUsage) best = thread;
  return best;
}
