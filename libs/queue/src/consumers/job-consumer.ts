import type * as z from 'zod';
import { ERROR_POLICY, type SconceError } from '@sconce/errors';
import { MAX_DELIVERIES } from '../queue-options.ts';

/** One delivery of a queue job. */
export interface Delivery {
  /** Epoch ms at which the job was added to its queue. */
  readonly addedAtMs: number;
  /** Epoch ms at which this worker took it. */
  readonly takenAtMs: number;
  /** 1 for the first delivery. A delivery that was handed back does not count. */
  readonly delivery: number;
  /** Deliveries that ended in an error so far. A delivery whose worker died is not among them. */
  readonly failures: number;
  /** Deliveries whose worker ended. */
  readonly workersLost: number;
  /** Failures after which the queue keeps the job as failed. */
  readonly maxFailures: number;
  /** To be called when the job's work has reached the threads: the queue consumer then decides again how many jobs it takes. */
  readonly started: () => void;
}

/**
 * Called when the queue has removed a job that is done. It writes again what the job wrote, if a failover may have lost that and kept the
 * removal: then nobody would deliver the job again.
 */
export type Confirm = () => Promise<void>;

/**
 * What a worker does with one kind of queue job: the port between a queue and the work. It knows nothing of BullMQ, so
 * another kind of queue can deliver jobs to the same classes.
 *
 * `consume` resolves when the job is done. It may throw:
 * - `shutting_down`: the job is handed back;
 * - an error that the consumer `postpones`: the job is delivered again after some seconds, as often as necessary;
 * - a `FinalJobError`: the queue keeps the job as failed, and what waited for it has been told;
 * - any other error: the queue delivers the job again, after the delay of its options. When there is a `fail`, this holds
 *   only for errors whose policy is `backoff`, and up to `MAX_DELIVERIES`; else `fail` ends the job.
 */
export interface JobConsumer<T = unknown> {
  /** The name that producers add these jobs with. */
  readonly jobName: string;
  /** The contract of the job's data. */
  readonly schema: z.ZodType<T>;
  consume(job: T, delivery: Delivery): Promise<Confirm | void>;
  /** Tells the owner of a job that it failed for good. When it throws, the job is delivered again later. Also called, with `worker_lost`, for a job with too many deliveries. */
  fail?(job: T, error: SconceError): Promise<void>;
  /**
   * Ends what a job stands for that lies in the failed set: whoever waits for it gets the error. `FailedJobs` calls it, again and again
   * until it resolves. The job may have been ended before.
   */
  abandon(job: T, error: SconceError): Promise<void>;
  /** Failed jobs stay in the queue until they are too old, so that people can look at them. Else they are removed when they have been ended. */
  readonly keepsFailed?: boolean;
  /** Whether a job that failed with this error waits until the cause has gone, however long that takes. */
  postpones?(error: SconceError): boolean;
  /** The delay before the next delivery, ms, for a queue whose backoff is `schedule`. */
  retryDelayMs?(failures: number): number;
  /** The worker is closing: `consume` should end soon. */
  stop?(): void;
}

/** Thrown by `consume` when no later delivery of the job can succeed. */
export class FinalJobError extends Error {
  override readonly name = 'FinalJobError';
}

/** Whether the error ends by waiting: Redis or the blob store does not answer. */
export function isOutage({ code }: SconceError): boolean {
  return code === 'storage_unavailable' || code === 'redis_unavailable';
}

/** Whether work that failed with this error is delivered again. */
export function isRetried({ code }: SconceError, delivery: number): boolean {
  return ERROR_POLICY[code].retry === 'backoff' && delivery < MAX_DELIVERIES;
}
