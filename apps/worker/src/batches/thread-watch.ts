import { readFile } from 'node:fs/promises';
import type { Worker } from 'node:worker_threads';
import type { DatasetLimits } from './dataset-limits.ts';

/** How often a thread is looked at while it has tasks, ms. */
const LOOK_MS = 500;
/** Clock ticks per second in /proc, on every Linux. */
const TICKS_PER_SECOND = 100;
/** Where the CPU time of a thread is unknown, it may be busy so many times as long by the clock. */
const CLOCK_FACTOR = 4;

/** The limit that a thread has exceeded. */
export type Exceeded = 'busy' | 'memory';

/** Node before 22.16 does not tell how much memory a thread has. */
type WatchedWorker = Pick<Worker, 'postMessage'> & Partial<Pick<Worker, 'getHeapStatistics'>>;

/**
 * Watches one thread from outside, because a thread that is busy cannot tell. It sends pings, and compares the CPU time that the thread
 * has used since the last ping without an answer. CPU time, not time: on a busy machine a thread of low priority waits.
 *
 * States: *idle* → `start` (the thread has a task) → *watching* → `stop` → *idle*.
 */
export class ThreadWatch {
  readonly #worker: WatchedWorker;
  readonly #limits: Pick<DatasetLimits, 'busyMs' | 'memoryBytes'>;
  readonly #onExceeded: (exceeded: Exceeded) => void;
  #timer: NodeJS.Timeout | undefined;
  #stat: string | undefined;
  #isStarted = false;
  /** Since when a ping has had no answer. */
  #pinged: { readonly atMs: number; readonly cpuMs: number | undefined } | undefined;
  #looking = false;

  constructor(
    worker: WatchedWorker,
    limits: Pick<DatasetLimits, 'busyMs' | 'memoryBytes'>,
    onExceeded: (exceeded: Exceeded) => void,
  ) {
    this.#worker = worker;
    this.#limits = limits;
    this.#onExceeded = onExceeded;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#pinged = undefined;
  }

  /** The thread has loaded its code. @param taskId its number at the system, if it knows it. */
  started(taskId: number | undefined): void {
    this.#stat = taskId === undefined ? undefined : `/proc/self/task/${taskId}/stat`;
    this.#isStarted = true;
  }

  /** The thread has answered. */
  answered(): void {
    this.#pinged = undefined;
  }

  /** Whether the thread has not answered for a while. */
  get isBusy(): boolean {
    return this.#pinged !== undefined && performance.now() - this.#pinged.atMs > LOOK_MS;
  }

  async #look(): Promise<void> {
    // Loading code is no task. How long it takes depends on the disk.
    if (this.#looking || !this.#isStarted) return;
    this.#looking = true;
    try {
      this.#checkMemory();
      const cpuMs = await this.#cpuMs();
      const nowMs = performance.now();
      if (this.#timer === undefined) return;
      if (this.#pinged === undefined) {
        this.#pinged = { atMs: nowMs, cpuMs };
        this.#worker.postMessage({ kind: 'ping' });
        return;
      }
      const { atMs, cpuMs: cpuBefore } = this.#pinged;
      const usedMs = cpuMs === undefined || cpuBefore === undefined ? undefined : cpuMs - cpuBefore;
      if ((usedMs ?? (nowMs - atMs) / CLOCK_FACTOR) >= this.#limits.busyMs) this.#onExceeded('busy');
    } finally {
      this.#looking = false;
    }
  }

  /** CPU time of the thread so far; undefined where the system does not tell. */
  async #cpuMs(): Promise<number | undefined> {
    if (this.#stat === undefined) return undefined;
    const text = await readFile(this.#stat, 'latin1').catch(() => undefined);
    // The name of the thread, in parentheses, may contain anything. The times are the 12th and 13th field after it.
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? (ticks * 1_000) / TICKS_PER_SECOND : undefined;
  }

  #checkMemory(): void {
    // A thread in native code answers when it returns, so this does not wait for the answer.
    void this.#worker.getHeapStatistics?.().then(
      // V8 bounds the objects by itself (`resourceLimits`). This is for the buffers.
      ({ external_memory: buffers }) => {
        if (buffers > this.#limits.memoryBytes && this.#timer !== undefined) this.#onExceeded('memory');
      },
      // The thread has ended.
      () => undefined,
    );
  }
}
