import type { JobsOptions, WorkerOptions } from 'bullmq';
import type { QueueKind } from './queue-names.ts';

/** How a job of a queue is kept and retried. */
export type JobOptions = Required<Pick<JobsOptions, 'attempts' | 'backoff' | 'removeOnComplete' | 'removeOnFail'>>;

type QueueOptions = JobOptions &
  Required<
    Pick<
      WorkerOptions,
      'concurrency' | 'lockDuration' | 'lockRenewTime' | 'stalledInterval' | 'maxStalledCount' | 'drainDelay'
    >
  >;

/**
 * Deliveries of one job to workers. A delivery counts when it ended in an error that is worth a retry, and when its worker
 * died. The error of the last delivery is the caller's answer. So a model that kills its worker cannot stop a pool for good.
 */
export const MAX_DELIVERIES = 4;

/**
 * How often a worker renews the locks of its jobs at the latest, ms. A lock that is older, of a worker whose process has ended, is removed
 * (`DeadWorkerJobs`).
 */
const LOCK_RENEW_MS = 2_000;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * Waits between the attempts to deliver a webhook, ms: eight attempts within some 28 hours, so that a receiver may be down
 * for a night and a working day. Jitter is added to each wait.
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

/** Every queue's behaviour. Nothing rests on BullMQ's defaults. */
export const QUEUE_OPTIONS: Readonly<Record<QueueKind, QueueOptions>> = {
  online: {
    attempts: MAX_DELIVERIES,
    backoff: { type: 'exponential', delay: 100 },
    removeOnComplete: true,
    removeOnFail: { count: 1_000, age: 3_600 },
    // A worker has its own setting for both lanes.
    concurrency: 1,
    // Another worker takes over the job of a worker that hangs after lock + check at most. Locks are renewed in time, because the
    // event loop of a worker never blocks.
    lockDuration: 8_000,
    lockRenewTime: LOCK_RENEW_MS,
    stalledInterval: 4_000,
    // QueueConsumer bounds deliveries, and then answers the caller. BullMQ's own bound would only file the job away.
    maxStalledCount: 1_000,
    drainDelay: 5,
  },
  batch: {
    attempts: MAX_DELIVERIES,
    backoff: { type: 'exponential', delay: 1_000 },
    removeOnComplete: true,
    removeOnFail: { count: 1_000, age: 86_400 },
    concurrency: 1,
    lockDuration: 8_000,
    lockRenewTime: LOCK_RENEW_MS,
    stalledInterval: 4_000,
    maxStalledCount: 1_000,
    drainDelay: 5,
  },
  planner: {
    // A batch ends by its own deadline, never by a number of attempts.
    attempts: 1_000_000,
    backoff: { type: 'exponential', delay: 1_000 },
    removeOnComplete: true,
    removeOnFail: true,
    // Batches that one worker plans at once: each planner mostly waits.
    concurrency: 100,
    lockDuration: 8_000,
    lockRenewTime: LOCK_RENEW_MS,
    stalledInterval: 4_000,
    maxStalledCount: 1_000_000,
    drainDelay: 5,
  },
  registration: {
    attempts: MAX_DELIVERIES,
    backoff: { type: 'exponential', delay: 1_000 },
    removeOnComplete: true,
    // A job is named after its version: a job that stayed would block a later push of this version.
    removeOnFail: true,
    concurrency: 1,
    lockDuration: 30_000,
    lockRenewTime: LOCK_RENEW_MS,
    stalledInterval: 10_000,
    maxStalledCount: 1_000,
    drainDelay: 5,
  },
  webhooks: {
    attempts: WEBHOOK_RETRY_DELAYS_MS.length + 1,
    // The schedule above: WebhookConsumer computes the delay.
    backoff: { type: 'schedule' },
    // A job is named after its event: while it stays, the same event is not delivered again.
    removeOnComplete: { count: 10_000, age: 86_400 },
    // Failed jobs stay for a week, so that operators can look at them.
    removeOnFail: { count: 1_000, age: 7 * 86_400 },
    // Deliveries of one worker at once: each mostly waits for its receiver.
    concurrency: 32,
    lockDuration: 8_000,
    lockRenewTime: LOCK_RENEW_MS,
    stalledInterval: 4_000,
    maxStalledCount: 1_000,
    drainDelay: 5,
  },
};

/** The options that a job of this kind of queue is added with. */
export function jobOptionsOf(kind: QueueKind): JobOptions {
  const { attempts, backoff, removeOnComplete, removeOnFail } = QUEUE_OPTIONS[kind];
  return { attempts, backoff, removeOnComplete, removeOnFail };
}
