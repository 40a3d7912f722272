import type { JobsOptions, WorkerOptions } from 'bullmq';

/** `online`: someone waits for the answer. `batch`: throughput counts. One queue per pool and lane. */
export type Lane = 'online' | 'batch';

/** The BullMQ queue of a pool's lane. */
export function laneQueueName(pool: string, lane: Lane): string {
  return `sconce.${pool}.${lane}`;
}

/** The queue of models to prove. */
export const REGISTRATION_QUEUE = 'sconce.registration';

/** The queue of batches to see through. */
export const PLANNER_QUEUE = 'sconce.planner';

/** Kinds of queues: each has its own options. */
export type QueueKind = Lane | 'registration' | 'planner';

type QueueOptions = Required<Pick<JobsOptions, 'attempts' | 'backoff' | 'removeOnComplete' | 'removeOnFail'>> &
  Required<Pick<WorkerOptions, 'lockDuration' | 'stalledInterval' | 'maxStalledCount' | 'drainDelay'>>;

/**
 * Deliveries of one job to workers, whether they ended in an error worth retrying or in the worker's death. The last
 * one's failure is the caller's answer, so a model that kills its worker can't take the pool down for good.
 */
export const MAX_DELIVERIES = 4;

/** Every queue's behaviour; nothing rests on BullMQ's defaults. */
export const QUEUE_OPTIONS: Readonly<Record<QueueKind, QueueOptions>> = {
  online: {
    attempts: MAX_DELIVERIES,
    backoff: { type: 'exponential', delay: 100 },
    removeOnComplete: true,
    removeOnFail: { count: 1_000, age: 3_600 },
    // A dead worker's job is taken over after at most lock + check; its event loop never blocks, so locks are renewed.
    lockDuration: 8_000,
    stalledInterval: 4_000,
    // Deliveries are counted by our own limit, which answers the caller; BullMQ's would only file the job away.
    maxStalledCount: 1_000,
    drainDelay: 5,
  },
  batch: {
    attempts: MAX_DELIVERIES,
    backoff: { type: 'exponential', delay: 1_000 },
    removeOnComplete: true,
    removeOnFail: { count: 1_000, age: 86_400 },
    lockDuration: 8_000,
    stalledInterval: 4_000,
    maxStalledCount: 1_000,
    drainDelay: 5,
  },
  planner: {
    // A batch is seen through whatever happens: it ends by its own deadline, not by a number of tries.
    attempts: 1_000_000,
    backoff: { type: 'exponential', delay: 1_000 },
    removeOnComplete: true,
    removeOnFail: true,
    lockDuration: 8_000,
    stalledInterval: 4_000,
    maxStalledCount: 1_000_000,
    drainDelay: 5,
  },
  registration: {
    attempts: MAX_DELIVERIES,
    backoff: { type: 'exponential', delay: 1_000 },
    removeOnComplete: true,
    // Jobs are named after their version: one that stayed behind would keep a later push of it out.
    removeOnFail: true,
    lockDuration: 30_000,
    stalledInterval: 10_000,
    maxStalledCount: 1_000,
    drainDelay: 5,
  },
};
