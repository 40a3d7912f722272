/** The facts about a thread that its placement depends on. */
export interface PlacementThread {
  readonly id: number;
  /** Tasks handed to it and not answered. */
  readonly currentUsage: number;
}

/** A run is worth loading its model in one more thread only if it then starts so much earlier, ms. */
const LEAST_GAIN_MS = 20;
/** Load times vary: loading must be expected to be faster than waiting by this factor. */
const LOAD_CERTAINTY = 2;

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
  /** Model → how long its last load took, ms. */
  readonly #loadMs = new Map<string, number>();
  /** Thread → the time at which it is expected to be free. */
  readonly #freeAtMs = new Map<number, number>();

  /**
   * The thread for a run: a thread that holds the model, or one that would be free and load the model well before that, else the least busy
   * thread that does not load another model.
   */
  choose<T extends PlacementThread>(model: string, threads: readonly T[], nowMs: number): T | undefined {
    const holders = this.#holders.get(model);
    const held = threads.filter(({ id }) => holders?.has(id) === true && !this.#loading.has(id));
    if (held.length > 0) {
      const heldMs = Math.min(...held.map((own) => this.#waitMs(own, nowMs)));
      return this.#loader(model, threads, { heldMs, nowMs }) ?? leastBusy(held);
    }
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

  /** Expected time until the thread has done its tasks, ms. */
  #waitMs({ id, currentUsage }: PlacementThread, nowMs: number): number {
    return currentUsage === 0 ? 0 : Math.max(0, (this.#freeAtMs.get(id) ?? Infinity) - nowMs);
  }

  /** The thread that would be free and have loaded the model well before `heldMs` from now, if there is one. */
  #loader<T extends PlacementThread>(
    model: string,
    threads: readonly T[],
    { heldMs, nowMs }: { readonly heldMs: number; readonly nowMs: number },
  ): T | undefined {
    const loadMs = this.#loadMs.get(model);
    if (loadMs === undefined) return undefined;
    const latestMs = heldMs - Math.max(LEAST_GAIN_MS, LOAD_CERTAINTY * loadMs);
    return threads.find((own) => !this.#loading.has(own.id) && this.#waitMs(own, nowMs) <= latestMs);
  }

  /** The thread has a task more, which is expected to take `expectedMs`. */
  busy({ id, currentUsage }: PlacementThread, expectedMs: number, nowMs: number): void {
    const freeAtMs = currentUsage === 0 ? nowMs : Math.max(nowMs, this.#freeAtMs.get(id) ?? nowMs);
    this.#freeAtMs.set(id, freeAtMs + expectedMs);
  }

  /** How long a thread took to load the model, ms. */
  loaded(model: string, loadMs: number): void {
    this.#loadMs.set(model, loadMs);
    if (this.#loadMs.size > MAX_MODELS) this.#loadMs.delete(this.#loadMs.keys().next().value ?? model);
  }

  /** A task that needs the model goes to the thread. */
  started(model: string, thread: number): void {
    if (this.#holders.get(model)?.has(thread) !== true && !this.#loading.has(thread)) this.#loading.set(thread, model);
  }

  /** Whether a thread holds the model. */
  isHeld(model: string): boolean {
    return (this.#holders.get(model)?.size ?? 0) > 0;
  }

  /** Whether the thread loads a model now. */
  isLoading(thread: number): boolean {
    return this.#loading.has(thread);
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
    this.#freeAtMs.clear();
  }
}

/** The thread with the fewest tasks. */
export function leastBusy<T extends PlacementThread>(threads: readonly T[]): T | undefined {
  let best: T | undefined;
  for (const thread of threads) if (best === undefined || thread.currentUsage < best.currentUsage) best = thread;
  return best;
}
