import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

/** The CPUs and the memory that this process may use. */
export interface MachineLimits {
  /** CPUs that the container's quota allows; may be a fraction, such as 0.5. */
  readonly cpus: number;
  readonly memoryBytes: number;
}

type ReadText = (path: string) => string | undefined;

/** Where control groups are mounted: version 2, then version 1. */
const QUOTA_V2 = '/sys/fs/cgroup/cpu.max';
const QUOTA_V1 = ['/sys/fs/cgroup/cpu/cpu.cfs_quota_us', '/sys/fs/cgroup/cpu/cpu.cfs_period_us'] as const;

/**
 * The container's limits if there are any, else the machine's. Node's `availableParallelism` counts the CPUs that a process may run on and
 * ignores the quota: in a container with half a CPU it counts all CPUs.
 */
export function machineLimits(
  machine: { readonly cpus: number; readonly memoryBytes: number; readonly constrainedBytes: number } = {
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    constrainedBytes: process.constrainedMemory(),
  },
  read: ReadText = readOwn,
): MachineLimits {
  const { cpus, memoryBytes, constrainedBytes } = machine;
  const quota = cpuQuota(read);
  return {
    cpus: quota === undefined ? cpus : Math.min(cpus, quota),
    memoryBytes: constrainedBytes > 0 ? Math.min(constrainedBytes, memoryBytes) : memoryBytes,
  };
}

/** One thread per whole CPU, at least one. A remaining fraction of a CPU is left to the event loop. */
export function threadsFor({ cpus }: Pick<MachineLimits, 'cpus'>): number {
  return Math.max(1, Math.floor(cpus));
}

/** Memory that a run may need if no setting says it, bytes: the threads share a quarter of the memory. */
export function runMemoryFor({ memoryBytes }: Pick<MachineLimits, 'memoryBytes'>, threads: number): number {
  return Math.max(1, Math.floor(memoryBytes / 4 / threads));
}

const MIB = 1024 ** 2;
/** Memory of a process that answers requests, without what it holds for them. */
const OWN_BYTES = 256 * MIB;
const LEAST_HELD_BYTES = 32 * MIB;
const MOST_HELD_BYTES = 2048 * MIB;

/**
 * Bytes that a process may hold for requests if no setting says it. The rest of the memory is for what cannot be counted: copies on their
 * way, and garbage. @param shares how many share the memory: the processes of an API.
 */
export function heldBytesFor({ memoryBytes }: Pick<MachineLimits, 'memoryBytes'>, shares: number): number {
  const half = Math.floor((memoryBytes - OWN_BYTES * shares) / 2 / shares);
  return Math.min(MOST_HELD_BYTES, Math.max(LEAST_HELD_BYTES, half));
}

function cpuQuota(read: ReadText): number | undefined {
  const [quota, period] = read(QUOTA_V2)?.trim().split(/\s+/) ?? QUOTA_V1.map((path) => read(path)?.trim());
  const share = Number(quota) / Number(period);
  return Number.isFinite(share) && share > 0 ? share : undefined;
}

function readOwn(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
