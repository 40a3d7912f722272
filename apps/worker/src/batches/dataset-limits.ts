const MIB = 1024 ** 2;

/** What tasks of dataset threads may use. */
export interface DatasetLimits {
  /** Longest task, ms, without the time in which it waits for runs. */
  readonly taskMs: number;
  /** Longest work of a thread without a pause, ms of CPU time. Reading pauses at least at each block, page and batch. */
  readonly busyMs: number;
  /** Memory of a thread: objects and buffers. */
  readonly memoryBytes: number;
  /** Largest dataset after decompression. */
  readonly maxUnpackedBytes: number;
  /** Largest ratio of a dataset to its compressed file, beyond the first `FREE_UNPACKED_BYTES`. */
  readonly maxUnpackRatio: number;
}

/** A dataset may be so large after decompression, whatever its compressed file has. */
export const FREE_UNPACKED_BYTES = 64 * MIB;

/** The limits if nothing is set. The memory depends on the machine. */
export const DATASET_LIMITS: DatasetLimits = {
  taskMs: 30 * 60_000,
  busyMs: 8_000,
  memoryBytes: 512 * MIB,
  maxUnpackedBytes: 100 * 1024 * MIB,
  maxUnpackRatio: 200,
};

const MIN_THREAD_BYTES = 256 * MIB;
const MAX_THREAD_BYTES = 1024 * MIB;

/** A thread's share of the memory of the machine or container. */
export function threadMemory(memoryBytes: number): number {
  return Math.min(MAX_THREAD_BYTES, Math.max(MIN_THREAD_BYTES, Math.floor(memoryBytes / 4)));
}
