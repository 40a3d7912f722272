import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { JOB_VERSION } from '@sconce/contracts';
import { uncountDelivery } from '../library-internals/index.ts';

/** How long a job of a newer release waits until a worker takes it again. Short, because that worker may be of either release. */
const NEWER_RELEASE_DELAY_MS = 200;
/**
 * How long this worker then keeps the job's place occupied, in addition. Workers wait for the same moment, and the worker that put the
 * job back tends to be the first: without this it could take the same job again and again.
 */
const LET_OTHERS_FIRST_MS = 100;

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

/** Returns a job to its queue for a moment, uncounted, so that a worker of a newer release can take it. */
export async function leaveToNewerRelease(job: Job, { redis, worker }: JobHolder): Promise<void> {
  await uncountDelivery(job, worker, redis);
  await job.moveToDelayed(Date.now() + NEWER_RELEASE_DELAY_MS, job.token);
  await new Promise((resolve) => setTimeout(resolve, NEWER_RELEASE_DELAY_MS + LET_OTHERS_FIRST_MS));
}

/** Whether a newer release wrote this job. During a rolling update, workers of that release are or will soon be there. */
export function isOfNewerRelease(job: Job): boolean {
  const { v } = (job.data ?? {}) as { readonly v?: unknown };
  return typeof v === 'number' && v > JOB_VERSION;
}
