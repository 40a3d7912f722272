import type { BatchRecord, BatchRecords } from '@sconce/queue';
import type { BatchNotices } from './batch-notices.ts';

/** How often a batch's record is read while a task of the batch runs and no notice comes. */
const LOOK_MS = 1_000;

/** Ends the tasks of batches that no longer need them. */
export class BatchWatch {
  readonly #records: Pick<BatchRecords, 'statusOf'>;
  readonly #notices: BatchNotices;

  constructor(records: Pick<BatchRecords, 'statusOf'>, notices: BatchNotices) {
    this.#records = records;
    this.#notices = notices;
  }

  /**
   * Does a task of a batch. When the batch leaves its state (it was cancelled) or its window ends, the task's signal is aborted, and the
   * result is undefined. Errors of the task are thrown on, also the error of an abort of `signal`.
   */
  async during<T>(
    record: Pick<BatchRecord, 'id' | 'status' | 'expiresAtMs'>,
    signal: AbortSignal,
    task: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const stop = new AbortController();
    const done = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    let isOver = false;
    void this.#isOver(record, done.signal).then((over) => {
      if (!over) return;
      isOver = true;
      stop.abort();
    });
    try {
      signal.throwIfAborted();
      return await task(stop.signal);
    } catch (error) {
      if (isOver && !signal.aborted) return undefined;
      throw error;
    } finally {
      done.abort();
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Resolves with true when the task is no longer needed, with false when it has ended. */
  async #isOver(
    { id, status, expiresAtMs }: Pick<BatchRecord, 'id' | 'status' | 'expiresAtMs'>,
    done: AbortSignal,
  ): Promise<boolean> {
    for (;;) {
      const leftMs = expiresAtMs - Date.now();
      if (leftMs < 0) return true;
      await this.#notices.wait(id, Math.min(LOOK_MS, leftMs + 1), done);
      if (done.aborted) return false;
      // While Redis is away, the task goes on.
      const now = await this.#records.statusOf(id).catch(() => status);
      if (now !== status) return true;
    }
  }
}
