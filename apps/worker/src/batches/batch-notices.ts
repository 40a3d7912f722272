/** Wakes the planner of a batch when a chunk of the batch was counted or the batch was cancelled. */
export class BatchNotices {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Wakes every wait for this batch. */
  notify(batchId: string): void {
    for (const wake of this.#waiting.get(batchId) ?? []) wake();
  }

  /**
   * Resolves with the batch's next notice, after `ms`, or when the signal is aborted. A notice may be missed: the caller looks at the
   * batch's record in any case.
   */
  async wait(batchId: string, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const wakers = this.#waiting.get(batchId) ?? new Set();
    this.#waiting.set(batchId, wakers.add(wake));
    const timer = setTimeout(wake, ms);
    // The signal lives as long as the process: a listener that stays would keep this wait's memory until then.
    signal.addEventListener('abort', wake, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', wake);
      clearTimeout(timer);
      wakers.delete(wake);
      if (wakers.size === 0) this.#waiting.delete(batchId);
    }
  }
}
