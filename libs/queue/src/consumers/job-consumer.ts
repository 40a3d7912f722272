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
  /** Failures after which the queue keeps the job as failed. */
  readonly maxFailures: number;
  /** To be called when the job's work has reached the threads: the queue consumer then decides again how many jobs it takes. */
  readonly started: () => void;
}

/**
 * What a worker does with one kind of queue job: the port between a queue and the work. It knows nothing of BullMQ, so
 * another kind of queue can deliver jobs to the same classes.
 *
 * `consume` resolves when the job is done. It may throw:
 * - `shutting_down`: the job is handed back;
 * - a `FinalJobError`: the queue keeps the job as failed;
 * - any other error: the queue delivers the job again, after the delay of its options. When there is a `fail`, this holds
 *   only for errors whose policy is `backoff`, and up to `MAX_DELIVERIES`; else `fail` ends the job.
 */
export interface JobConsumer<T = unknown> {
  /** The name that producers add these jobs with. */
  readonly jobName: string;
  /** The contract of the job's data. */
  readonly schema: z.ZodType<T>;
  consume(job: T, delivery: Delivery): Promise<void>;
  /** Tells the owner of a job that it failed for good. Also called, with `worker_lost`, for a job with too many deliveries. */
  fail?(job: T, error: SconceError): Promise<void>;
  /** The delay before the next delivery, ms, for a queue whose backoff is `schedule`. */
  retryDelayMs?(failures: number): number;
  /** The worker is closing: `consume` should end soon. */
  stop?(): void;
}

/** Thrown by `consume` when no later delivery of the job can succeed. */
export class FinalJobError extends Error {
  override readonly name = 'FinalJobError';
}

/** Whether work that failed with this error is delivered again. */
export function isRetried({ code }: SconceError, delivery: number): boolean {
  return ERROR_POLICY[code].retry === 'backoff' && delivery < MAX_DELIVERIES;
}
