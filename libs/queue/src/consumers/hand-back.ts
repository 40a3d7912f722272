import { DelayedError, WaitingError, type Job, type Worker } from 'bullmq';
import type { Redis } from 'ioredis';

/** How long a job of a newer release lies before a worker looks at it again: a newer one or not, as chance has it, so it is not long. */
const NEWER_DELAY_MS = 200;

/** Newest version of the jobs' contracts (`v`) that this release reads. It reads the one before as well, and writes what that one reads. */
const CONTRACT_VERSION = 1;

/** BullMQ's count of deliveries (`attemptsStarted`) of a job, less one; only while it is this worker's. */
const UNCOUNT_DELIVERY = `
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('HINCRBY', KEYS[1], 'ats', -1) end`;

/** Where a job's queue is. */
interface From {
  readonly redis: Redis;
  readonly worker: Worker;
}

async function uncount(job: Job, { redis, worker }: From): Promise<void> {
  const key = worker.toKey(job.id ?? '');
  await redis.eval(UNCOUNT_DELIVERY, 2, key, `${key}:lock`, job.token ?? '');
}

/** Puts a job back where it was, as if it had never been taken: that a worker ends is no fault of the job's. */
export async function putBack(job: Job, from: From): Promise<void> {
  await uncount(job, from);
  await job.moveToWait(job.token);
}

/** As `putBack`, from within the job's own processor, which must throw what this answers. */
export async function handBack(job: Job, from: From): Promise<WaitingError> {
  await putBack(job, from);
  return new WaitingError();
}

/** Whether a job's contract is a newer release's: while releases are being exchanged, its workers are near. */
export function isOfNewerRelease(job: Job): boolean {
  const { v } = (job.data ?? {}) as { readonly v?: unknown };
  return typeof v === 'number' && v > CONTRACT_VERSION;
}

/** Leaves a job to a worker that can read it; the processor must throw what this answers. */
export async function leaveToNewerRelease(job: Job, from: From): Promise<DelayedError> {
  await uncount(job, from);
  await job.moveToDelayed(Date.now() + NEWER_DELAY_MS, job.token);
  return new DelayedError();
}
