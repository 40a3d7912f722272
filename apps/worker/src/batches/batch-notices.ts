/** Wakes whoever sees a batch through when something has happened to it: a chunk was counted, or it was cancelled. */
export class BatchNotices {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Something has happened to the batch. */
  notify(batchId: string): void {
    for (const wake of this.#waiting.get(batchId) ?? []) wake();
  }

  /** Resolves with the next notice, after `ms`, or when the signal is aborted. Notices may be missed: look again in any case. */
  async wait(batchId: string, ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const own = this.#waiting.get(batchId) ?? new Set();
    this.#waiting.set(batchId, own.add(resolve));
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (signal.aborted) resolve();
    await promise;
    clearTimeout(timer);
    own.delete(resolve);
    if (own.size === 0) this.#waiting.delete(batchId);
  }
}
