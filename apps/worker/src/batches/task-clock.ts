import { SconceError } from '@sconce/errors';
import type { DatasetTaskKind } from './dataset-protocol.ts';
import type { DatasetLimits } from './dataset-limits.ts';

/** Counts the time of a task without the time in which it waits for runs, and calls `onOver` once when it is used up. */
export class TaskClock {
  #leftMs: number;
  readonly #onOver: () => void;
  #sinceMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #runs = 0;

  constructor(limitMs: number, onOver: () => void) {
    this.#leftMs = limitMs;
    this.#onOver = onOver;
  }

  start(): void {
    if (this.#timer !== undefined || this.#runs > 0) return;
    this.#sinceMs = performance.now();
    this.#timer = setTimeout(this.#onOver, this.#leftMs).unref();
  }

  stop(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#leftMs -= performance.now() - this.#sinceMs;
  }

  /** A run was asked for. */
  pause(): void {
    this.#runs += 1;
    this.stop();
  }

  /** The run has ended. */
  resume(): void {
    this.#runs -= 1;
    this.start();
  }
}

/** The error of a task that exceeded a limit: the limit, its setting, and what to do. */
export function overLimit(
  kind: DatasetTaskKind,
  what: 'busy' | 'memory' | 'time',
  { busyMs, memoryBytes, taskMs }: DatasetLimits,
): SconceError {
  const doing = DOING[kind];
  const [limit, message] = {
    busy: [
      busyMs,
      `${doing} kept a thread busy for ${busyMs / 1_000} s of CPU time without a pause. Use smaller pages, record batches or rows`,
    ],
    memory: [
      memoryBytes,
      `${doing} needed more than ${Math.floor(memoryBytes / 1024 ** 2)} MiB (SCONCE_DATASET_THREAD_MEMORY_BYTES). Use smaller pages, record batches or rows`,
    ],
    time: [
      taskMs,
      `${doing} took more than ${taskMs / 1_000} s (SCONCE_DATASET_TASK_MS). Divide the dataset into several batches`,
    ],
  }[what] as [number, string];
  return new SconceError('invalid_dataset', `${message}.`, { details: { exceeded: what, limit } });
}

const DOING: Readonly<Record<DatasetTaskKind, string>> = {
  validate: 'Checking the dataset',
  plan: 'Finding rows of the dataset',
  score: 'Reading rows of the dataset',
  assemble: 'Putting the results together',
};
