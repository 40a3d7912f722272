import { UnrecoverableError, Worker, type Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { handBack, isOfNewerRelease, leaveToNewerRelease } from './hand-back.ts';
import { Keys } from '../redis/keys.ts';
import type { QueueConfig } from '../queue-config.ts';
import { PLANNER_QUEUE, QUEUE_OPTIONS } from '../queue-names.ts';
import { connectRedis } from '../redis/redis-connection.ts';
import { closeWorker } from './close-worker.ts';
import { plannerJobSchema, type PlannerJob } from '../batches/batch-contracts.ts';

/** Batches that one process sees through at once: each mostly waits. */
const CONCURRENCY = 100;

export interface PlannerConsumerOptions {
  readonly config: QueueConfig;
  /**
   * Sees a batch through; resolves when it has ended. Aborted when this process is to end: the batch then goes to another. What it throws
   * has it tried again later.
   */
  readonly handle: (job: PlannerJob, signal: AbortSignal) => Promise<void>;
  readonly onError: (error: Error) => void;
}

/** Takes batches to see through. States as LaneConsumer's, but that closing hands everything back at once. */
export class PlannerConsumer {
  readonly #options: PlannerConsumerOptions;
  readonly #redis: Redis;
  readonly #worker: Worker<PlannerJob>;
  readonly #stopping = new AbortController();
  #activeJobs = 0;

  constructor(options: PlannerConsumerOptions) {
    const { lockDuration, stalledInterval, maxStalledCount, drainDelay } = QUEUE_OPTIONS.planner;
    this.#options = options;
    this.#redis = connectRedis(options.config.redisUrl, 'patient', options.onError);
    this.#worker = new Worker<PlannerJob>(PLANNER_QUEUE, (job) => this.#take(job), {
      connection: this.#redis,
      prefix: new Keys(options.config.keyPrefix).bullmq,
      concurrency: CONCURRENCY,
      lockDuration,
      stalledInterval,
      maxStalledCount,
      drainDelay,
    });
    this.#worker.on('error', options.onError);
  }

  async ready(): Promise<void> {
    await this.#worker.waitUntilReady();
  }

  /** Hands its batches to other processes. Answers whether that was done. */
  async close(graceMs: number): Promise<boolean> {
    this.#stopping.abort();
    return closeWorker(this.#worker, { redis: this.#redis, graceMs, activeJobs: () => this.#activeJobs });
  }

  async #take(job: Job<PlannerJob>): Promise<void> {
    const from = { redis: this.#redis, worker: this.#worker };
    if (isOfNewerRelease(job)) throw await leaveToNewerRelease(job, from);
    const parsed = plannerJobSchema.safeParse(job.data);
    if (!parsed.success) throw new UnrecoverableError(`The job does not keep the contract: ${parsed.error.message}`);
    this.#activeJobs += 1;
    const { signal } = this.#stopping;
    try {
      await this.#options.handle(parsed.data, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#activeJobs -= 1;
    }
    if (!signal.aborted) return;
    throw await handBack(job, from);
  }
}
