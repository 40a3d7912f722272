import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { JOB_VERSION } from '@sconce/contracts';
import { uncountDelivery } from '../library-internals/index.ts';

/** How long a job of a newer release waits until a worker takes it again. Short, because that worker may be of either release. */
const NEWER_RELEASE_DELAY_MS = 200;
/** A worker that put such a job back takes no job until so long after the job's delay, ms. */
const LET_OTHERS_FIRST_MS = 150;
/** How long a worker takes no job after it put a job of a newer release back, ms. */
export const STAND_BACK_MS = NEWER_RELEASE_DELAY_MS + LET_OTHERS_FIRST_MS;

/** The worker that holds a job, and its connection. */
export interface JobHolder {
  readonly redis: Redis;
  readonly worker: Worker;
}

/** Returns a job to its queue as if it had never been delivered. */
export async function handBack(job: Job, { redis, worker }: JobHolder): Promise<void> {
  await uncountDelivery(job, worker, redis);
  await job.moveToWait(job.token);
}

/**
 * Returns a job to its queue for a moment, uncounted, so that a worker of a newer release can take it. This worker must take no job for
 * `STAND_BACK_MS`: it would often be the first to see the job again.
 */
export async function leaveToNewerRelease(job: Job, { redis, worker }: JobHolder): Promise<void> {
  await uncountDelivery(job, worker, redis);
  await job.moveToDelayed(Date.now() + NEWER_RELEASE_DELAY_MS, job.token);
}

/** Whether a newer release wrote this job. During a rolling update, workers of that release are or will soon be there. */
export function isOfNewerRelease(job: Job): boolean {
  const { v } = (job.data ?? {}) as { readonly v?: unknown };
  return typeof v === 'number' && v > JOB_VERSION;
}
