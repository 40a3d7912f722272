import type { Lane } from '@sconce/contracts';
import type { JobsOptions, WorkerOptions } from 'bullmq';

/** The BullMQ queue of a pool's lane. */
export function laneQueueName(pool: string, lane: Lane): string {
  return `sconce.${pool}.${lane}`;
}

/** The queue of models to prove. */
export const REGISTRATION_QUEUE = 'sconce.registration';

/** The queue of batches to see through. */
export const PLANNER_QUEUE = 'sconce.planner';

/** The queue of webhooks to deliver. */
export const WEBHOOK_QUEUE = 'sconce.webhooks';

/** Kinds of queues: each has its own options. */
export type QueueKind = Lane | 'registration' | 'planner' | 'webhooks';

type QueueOptions = Required<Pick<JobsOptions, 'attempts' | 'backoff' | 'removeOnComplete' | 'removeOnFail'>> &
  Required<Pick<WorkerOptions, 'lockDuration' | 'stalledInterval' | 'maxStalledCount' | 'drainDelay'>>;

/**
 * Deliveries of one job to workers, whether they ended in an error worth retrying or in the worker's death. The last
 * one's failure is the caller's answer, so a model that kills its worker can't take the pool down for good.
 */
export const MAX_DELIVERIES = 4;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * How long the delivery of a webhook waits after each attempt that failed, ms: eight attempts within some 28 hours, so that a receiver
 * may be away for a night and a working day. The jitter comes on top.
 */
export const WEBHOOK_RETRY_DELAYS_MS: readonly number[] = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  10 * HOUR_MS,
];

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
  webhooks: {
    attempts: WEBHOOK_RETRY_DELAYS_MS.length + 1,
    // WebhookConsumer's own: the schedule above.
    backoff: { type: 'schedule' },
    // Jobs are named after their event: one that stays behind keeps the same event from being delivered again.
    removeOnComplete: { count: 10_000, age: 86_400 },
    // Kept to be looked at.
    removeOnFail: { count: 1_000, age: 7 * 86_400 },
    lockDuration: 8_000,
    stalledInterval: 4_000,
    maxStalledCount: 1_000,
    drainDelay: 5,
  },
};
