import { UnrecoverableError, Worker, type Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { SconceError, toSconceError } from '@sconce/errors';
import { isOfNewerRelease, leaveToNewerRelease } from './hand-back.ts';
import { Keys } from '../redis/keys.ts';
import type { QueueConfig } from '../queue-config.ts';
import { QUEUE_OPTIONS, WEBHOOK_QUEUE, WEBHOOK_RETRY_DELAYS_MS } from '../queue-names.ts';
import { connectRedis } from '../redis/redis-connection.ts';
import { closeWorker } from './close-worker.ts';
import { webhookJobSchema, type WebhookJob, type WebhookOutcome } from '../webhooks/webhook-contracts.ts';

/** Deliveries of one process under way at once: each mostly waits for its receiver. */
const CONCURRENCY = 32;
/** Share of a delay that chance adds, so that what failed together does not come back together. */
const MAX_JITTER = 0.2;

export interface WebhookConsumerOptions {
  readonly config: QueueConfig;
  /** Makes one attempt, the first being 1. What it throws counts as a failure worth another attempt. */
  readonly handle: (job: WebhookJob, attempt: number) => Promise<WebhookOutcome>;
  /** The event will not be delivered: its last attempt has failed, or failed for good. To be logged; the job is kept for a while. */
  readonly onGivenUp: (job: WebhookJob, reason: string, attempts: number) => void;
  readonly onError: (error: Error) => void;
  /** Waits between attempts, ms, default `WEBHOOK_RETRY_DELAYS_MS`; for tests, and no more of them than there. */
  readonly retryDelaysMs?: readonly number[];
}

/**
 * Takes webhooks to deliver. States as LaneConsumer's.
 *
 * An attempt that fails is made again by the queue, after the next delay of the schedule, in whichever process is free then. One that its
 * process did not live to end is made again at once, and is none of the schedule's.
 */
export class WebhookConsumer {
  readonly #options: WebhookConsumerOptions;
  readonly #retryDelaysMs: readonly number[];
  readonly #redis: Redis;
  readonly #worker: Worker<WebhookJob>;
  #activeJobs = 0;

  constructor(options: WebhookConsumerOptions) {
    const { lockDuration, stalledInterval, maxStalledCount, drainDelay } = QUEUE_OPTIONS.webhooks;
    this.#options = options;
    this.#retryDelaysMs = options.retryDelaysMs ?? WEBHOOK_RETRY_DELAYS_MS;
    this.#redis = connectRedis(options.config.redisUrl, 'patient', options.onError);
    this.#worker = new Worker<WebhookJob>(WEBHOOK_QUEUE, (job) => this.#take(job), {
      connection: this.#redis,
      prefix: new Keys(options.config.keyPrefix).bullmq,
      concurrency: CONCURRENCY,
      lockDuration,
      stalledInterval,
      maxStalledCount,
      drainDelay,
      settings: { backoffStrategy: (attemptsMade) => withJitter(this.#retryDelaysMs[attemptsMade - 1] ?? 0) },
    });
    this.#worker.on('error', options.onError);
  }

  async ready(): Promise<void> {
    await this.#worker.waitUntilReady();
  }

  /** As LaneConsumer's. */
  async close(graceMs: number): Promise<boolean> {
    return closeWorker(this.#worker, { redis: this.#redis, graceMs, activeJobs: () => this.#activeJobs });
  }

  async #take(job: Job<WebhookJob>): Promise<void> {
    this.#activeJobs += 1;
    try {
      await this.#process(job);
    } finally {
      this.#activeJobs -= 1;
    }
  }

  async #process(job: Job<WebhookJob>): Promise<void> {
    if (isOfNewerRelease(job)) throw await leaveToNewerRelease(job, { redis: this.#redis, worker: this.#worker });
    const parsed = webhookJobSchema.safeParse(job.data);
    if (!parsed.success) {
      const error = new UnrecoverableError(`Webhook ${job.id} does not keep the contract: ${parsed.error.message}`);
      // Nobody else would hear of it.
      this.#options.onError(error);
      throw error;
    }
    const attempt = job.attemptsMade + 1;
    const outcome = await this.#attempt(parsed.data, attempt);
    if (outcome.delivered) return;
    // A job that was added by another release carries that one's number of attempts.
    const isLast = attempt > this.#retryDelaysMs.length || attempt >= (job.opts.attempts ?? 1);
    if (!outcome.permanent && !isLast) throw new SconceError('server_unreachable', outcome.reason);
    this.#options.onGivenUp(parsed.data, outcome.reason, attempt);
    throw new UnrecoverableError(outcome.reason);
  }

  async #attempt(job: WebhookJob, attempt: number): Promise<WebhookOutcome> {
    try {
      return await this.#options.handle(job, attempt);
    } catch (thrown) {
      return { delivered: false, permanent: false, reason: toSconceError(thrown).message };
    }
  }
}

/** Never sooner than the schedule says. */
function withJitter(delayMs: number): number {
  return Math.round(delayMs * (1 + MAX_JITTER * Math.random()));
}
