const WINDOW_MS = 60_000;
/** Deaths within a minute after which a process is no longer started again. */
const MAX_DEATHS = 8;

/** Counts how often a process died within the last minute, to decide whether it is started again. */
export class DeathCounter {
  #timesMs: readonly number[] = [];

  /** Counts a death. Returns the deaths of the last minute, and whether they are too many. */
  add(): { readonly deaths: number; readonly tooMany: boolean } {
    const nowMs = Date.now();
    this.#timesMs = [...this.#timesMs.filter((at) => nowMs - at < WINDOW_MS), nowMs];
    const deaths = this.#timesMs.length;
    return { deaths, tooMany: deaths > MAX_DEATHS };
  }
}
