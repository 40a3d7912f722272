import { UnrecoverableError, Worker, type Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { ERROR_POLICY, SconceError, toSconceError } from '@sconce/errors';
import { registrationJobSchema, type RegistrationJob } from '../job-contracts.ts';
import { handBack, isOfNewerRelease, leaveToNewerRelease } from './hand-back.ts';
import { Keys } from '../redis/keys.ts';
import type { QueueConfig } from '../queue-config.ts';
import { MAX_DELIVERIES, QUEUE_OPTIONS, REGISTRATION_QUEUE } from '../queue-names.ts';
import { connectRedis } from '../redis/redis-connection.ts';
import { closeWorker } from './close-worker.ts';

export interface RegistrationConsumerOptions {
  readonly config: QueueConfig;
  /** Proves one version. What it throws with a policy of `never` is final; `shutting_down` has another worker do it at once. */
  readonly handle: (job: RegistrationJob) => Promise<void>;
  /** The version can't be registered: to be written where people see it. */
  readonly onFailed: (job: RegistrationJob, error: SconceError) => Promise<void>;
  readonly onError: (error: Error) => void;
}

/** Takes registrations, one at a time. States as LaneConsumer's. */
export class RegistrationConsumer {
  readonly #options: RegistrationConsumerOptions;
  readonly #redis: Redis;
  readonly #worker: Worker<RegistrationJob>;
  #activeJobs = 0;

  constructor(options: RegistrationConsumerOptions) {
    const { lockDuration, stalledInterval, maxStalledCount, drainDelay } = QUEUE_OPTIONS.registration;
    this.#options = options;
    this.#redis = connectRedis(options.config.redisUrl, 'patient', options.onError);
    this.#worker = new Worker<RegistrationJob>(REGISTRATION_QUEUE, (job) => this.#take(job), {
      connection: this.#redis,
      prefix: new Keys(options.config.keyPrefix).bullmq,
      concurrency: 1,
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

  /** As LaneConsumer's. */
  async close(graceMs: number): Promise<boolean> {
    return closeWorker(this.#worker, { redis: this.#redis, graceMs, activeJobs: () => this.#activeJobs });
  }

  async #take(job: Job<RegistrationJob>): Promise<void> {
    this.#activeJobs += 1;
    try {
      await this.#process(job);
    } finally {
      this.#activeJobs -= 1;
    }
  }

  async #process(job: Job<RegistrationJob>): Promise<void> {
    const from = { redis: this.#redis, worker: this.#worker };
    if (isOfNewerRelease(job)) throw await leaveToNewerRelease(job, from);
    const parsed = registrationJobSchema.safeParse(job.data);
    if (!parsed.success) {
      throw new UnrecoverableError(`The job does not keep the contract: ${parsed.error.message}`);
    }
    const delivery = job.attemptsStarted;
    try {
      if (delivery > MAX_DELIVERIES) {
        throw new SconceError('worker_lost', `${MAX_DELIVERIES} workers ended while they examined this model.`);
      }
      await this.#options.handle(parsed.data);
    } catch (thrown) {
      const error = toSconceError(thrown);
      if (error.code === 'shutting_down') throw await handBack(job, from);
      if (ERROR_POLICY[error.code].retry === 'backoff' && delivery < MAX_DELIVERIES) throw error;
      await this.#options.onFailed(parsed.data, error);
    }
  }
}
