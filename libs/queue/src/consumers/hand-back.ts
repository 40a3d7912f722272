import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { JOB_VERSION } from '@sconce/contracts';
import { countPostponed, uncountDelivery } from '../library-internals/index.ts';

/** How long a job of a newer release waits until a worker takes it again. Short, because that worker may be of either release. */
const NEWER_RELEASE_DELAY_MS = 200;
/** A worker that put such a job back takes no job until so long after the job's delay, ms. */
const LET_OTHERS_FIRST_MS = 150;
/** How long a worker takes no job after it put a job of a newer release back, ms. */
export const STAND_BACK_MS = NEWER_RELEASE_DELAY_MS + LET_OTHERS_FIRST_MS;

/** The wait after a job was postponed for the first time, ms. It doubles with each further time. */
const POSTPONE_MS = 500;
/** Longest such wait: work goes on so soon after an outage. */
const MAX_POSTPONE_MS = 5_000;
/** Largest share of a wait that chance takes off, so that jobs that were postponed together do not return together. */
const JITTER = 0.3;

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

/**
 * Returns a job to its queue for some seconds, uncounted: neither the delivery nor the error brings it nearer to its last one. For errors
 * that end by waiting.
 */
export async function postpone(job: Job, { redis, worker }: JobHolder): Promise<void> {
  const times = await countPostponed(job, worker, redis);
  const delayMs = Math.min(MAX_POSTPONE_MS, POSTPONE_MS * 2 ** Math.min(times - 1, 10));
  await job.moveToDelayed(Date.now() + delayMs * (1 - JITTER * Math.random()), job.token);
}

/** Whether a newer release wrote this job. During a rolling update, workers of that release are or will soon be there. */
export function isOfNewerRelease(job: Job): boolean {
  const { v } = (job.data ?? {}) as { readonly v?: unknown };
  return typeof v === 'number' && v > JOB_VERSION;
}
