import { DelayedError, UnrecoverableError, WaitingError, type Job, type KeepJobs } from 'bullmq';
import { SconceError, toSconceError } from '@sconce/errors';
import { epochMs } from '@sconce/process/time';
import {
  NamedWorker,
  disconnectCopies,
  settleFailure,
  withCopies,
  type EndableRedis,
} from '../library-internals/index.ts';
import { describeQueue, type QueueId } from '../queue-names.ts';
import { MAX_DELIVERIES, QUEUE_OPTIONS } from '../queue-options.ts';
import { bestEffort } from '../redis/redis-connection.ts';
import type { WorkerConnections } from '../redis/worker-connections.ts';
import {
  STAND_BACK_MS,
  handBack,
  isOfNewerRelease,
  leaveToNewerRelease,
  postpone,
  type JobHolder,
} from './hand-back.ts';
import { FinalJobError, isRetried, type Confirm, type JobConsumer } from './job-consumer.ts';
import { waitForClose } from './wait-for-close.ts';

/** What happened to a job: taken, done, to be delivered again after an error, or handed back (also to a newer release). */
export type JobEvent = 'taken' | 'answered' | 'retried' | 'handed_back';

export interface QueueConsumerOptions {
  readonly queue: QueueId;
  /** One for each name of jobs in this queue. */
  readonly consumers: readonly JobConsumer[];
  /** Jobs that may be active at once; default the queue's own. */
  readonly concurrency?: number;
  /** Whether another job should be taken while some are active. Asked whenever a job has started or ended. */
  readonly hasRoom?: () => boolean;
  /** Hands back the jobs that outlast the grace period of `close`. Else they stay locked until their locks expire. */
  readonly handsBackLateJobs?: boolean;
  readonly onJob?: (event: JobEvent, jobName: string) => void;
}

/**
 * Takes the jobs of one BullMQ queue and gives each to the consumer of its name. Everything that holds for all jobs is here:
 * the connection, the options, the contract check, jobs of a newer release, retries, the bound on deliveries, and closing.
 *
 * States: *consuming* (constructor) → *draining* (`close`: takes no more jobs, waits for the active ones) → *closed*.
 */
export class QueueConsumer {
  readonly #options: QueueConsumerOptions;
  readonly #consumers: ReadonlyMap<string, JobConsumer>;
  readonly #onError: (error: Error) => void;
  readonly #concurrency: number;
  readonly #holder: JobHolder;
  /** The connection on which the worker waits for jobs. */
  readonly #blocking: readonly EndableRedis[];
  readonly #active = new Set<Job>();
  /** Of jobs that are done, until the queue has removed them. */
  readonly #confirms = new WeakMap<Job, Confirm>();
  readonly #confirming = new Set<Promise<void>>();
  /** Runs while the worker takes no jobs because it left one to a newer release. */
  #standingBack: NodeJS.Timeout | undefined;

  constructor(connections: WorkerConnections, options: QueueConsumerOptions) {
    const { patient: redis, keys, workerId: processName, onError } = connections;
    const { name, kind } = describeQueue(options.queue);
    const { concurrency, removeOnComplete, removeOnFail, ...queueOptions } = QUEUE_OPTIONS[kind];
    const { lockDuration, lockRenewTime, stalledInterval, maxStalledCount, drainDelay } = queueOptions;
    this.#options = options;
    this.#consumers = new Map(options.consumers.map((consumer) => [consumer.jobName, consumer]));
    this.#onError = onError;
    this.#concurrency = options.concurrency ?? concurrency;
    const scheduled = options.consumers.find(({ retryDelayMs }) => retryDelayMs !== undefined);
    const { made: worker, copies } = withCopies(
      redis,
      () =>
        new NamedWorker(name, (job) => this.#take(job), {
          processName,
          connection: redis,
          prefix: keys.bullmq,
          concurrency: this.#concurrency,
          lockDuration,
          lockRenewTime,
          stalledInterval,
          maxStalledCount,
          drainDelay,
          removeOnComplete: keepJobs(removeOnComplete),
          removeOnFail: keepJobs(removeOnFail),
          settings: { backoffStrategy: (failures) => scheduled?.retryDelayMs?.(failures) ?? 0 },
        }),
    );
    worker.on('error', onError);
    worker.on('completed', (job) => this.#confirm(job));
    this.#holder = { redis, worker };
    this.#blocking = copies;
  }

  get queue(): QueueId {
    return this.#options.queue;
  }

  /** Looks now for jobs without a lock, and returns them to the queue. Otherwise this happens every few seconds. */
  async returnStalled(): Promise<void> {
    await this.#holder.worker.startStalledCheckTimer();
  }

  /** Resolves when the consumer is connected and takes jobs. */
  async ready(): Promise<void> {
    await this.#holder.worker.waitUntilReady();
  }

  /**
   * Takes no more jobs and waits for the active ones, at most `graceMs`. Returns whether all of them ended. A job that did
   * not end goes to another worker: at once when `handsBackLateJobs`, else when its lock expires.
   */
  async close(graceMs: number): Promise<boolean> {
    const { worker, redis } = this.#holder;
    clearTimeout(this.#standingBack);
    for (const consumer of this.#options.consumers) consumer.stop?.();
    const activeJobs = (): number => this.#active.size;
    if (activeJobs() > 0 || redis.status === 'ready') await waitForClose(worker, { graceMs, activeJobs });
    else worker.close().catch(() => undefined);
    if (this.#options.handsBackLateJobs === true && activeJobs() > 0 && redis.status === 'ready') {
      await bestEffort(this.#forEachActive((job) => handBack(job, this.#holder)));
    }
    await bestEffort(Promise.all(this.#confirming));
    for (const connection of this.#blocking) connection.disconnect();
    return activeJobs() === 0;
  }

  /** Returns every active job to the queue, because this process is about to end abnormally. Their deliveries stay counted. */
  async requeueAll(): Promise<void> {
    clearTimeout(this.#standingBack);
    await this.#holder.worker.pause(true);
    // The worker may be waiting for a job: the first job that is returned would come back to it.
    await disconnectCopies(this.#blocking);
    await this.#forEachActive((job) => job.moveToWait(job.token));
  }

  async #forEachActive(work: (job: Job) => Promise<unknown>): Promise<void> {
    await Promise.all([...this.#active].map((job) => work(job).catch(this.#onError)));
  }

  #confirm(job: Job): void {
    const confirm = this.#confirms.get(job);
    if (confirm === undefined) return;
    const confirming = confirm()
      .catch(this.#onError)
      .finally(() => this.#confirming.delete(confirming));
    this.#confirming.add(confirming);
  }

  async #take(job: Job): Promise<void> {
    const { onJob } = this.#options;
    this.#active.add(job);
    onJob?.('taken', job.name);
    try {
      await this.#deliver(job);
      onJob?.('answered', job.name);
    } catch (error) {
      const isHandedBack =
        error instanceof WaitingError || (error instanceof DelayedError && !(error instanceof PostponedError));
      onJob?.(isHandedBack ? 'handed_back' : 'retried', job.name);
      throw error;
    } finally {
      this.#active.delete(job);
      this.#adjustConcurrency();
    }
  }

  /** Has the job consumed. Throws the error that tells BullMQ what to do with the job, when it is not done. */
  async #deliver(job: Job): Promise<void> {
    const takenAtMs = epochMs();
    if (isOfNewerRelease(job)) {
      await this.#standBack();
      await leaveToNewerRelease(job, this.#holder);
      throw new DelayedError();
    }
    const { consumer, data } = this.#check(job);
    const delivery = job.attemptsStarted;
    this.#adjustConcurrency();
    try {
      if (consumer.fail !== undefined && delivery > MAX_DELIVERIES) {
        throw new SconceError(
          'worker_lost',
          `${MAX_DELIVERIES} workers died while they ran this; it is not run again.`,
        );
      }
      const confirm = await consumer.consume(data, {
        addedAtMs: job.timestamp,
        takenAtMs,
        delivery,
        failures: job.attemptsMade,
        workersLost: Math.max(0, delivery - 1 - job.attemptsMade),
        maxFailures: job.opts.attempts ?? 1,
        started: this.#adjustSoon,
      });
      if (confirm !== undefined) this.#confirms.set(job, confirm);
    } catch (thrown) {
      if (thrown instanceof FinalJobError) {
        await this.#settle(job);
        throw new UnrecoverableError(thrown.message);
      }
      const error = toSconceError(thrown);
      if (error.code === 'shutting_down') {
        await handBack(job, this.#holder);
        throw new WaitingError();
      }
      if (consumer.postpones?.(error) === true) throw await this.#postponed(job);
      if (consumer.fail === undefined || isRetried(error, delivery)) throw error;
      try {
        await consumer.fail(data, error);
      } catch (untold) {
        // Whoever waits for the job has to be told, however long that takes.
        this.#onError(untold as Error);
        throw await this.#postponed(job);
      }
    }
  }

  async #postponed(job: Job): Promise<Error> {
    await postpone(job, this.#holder);
    return new PostponedError();
  }

  /** Notes that nobody waits for this job any more: it only stays for people to look at. */
  async #settle(job: Job): Promise<void> {
    const { redis, worker } = this.#holder;
    await settleFailure(redis, { prefix: worker.opts.prefix ?? '', queue: worker.name, id: job.id ?? '' });
  }

  /** Takes no jobs for a moment, also not with the fetch that waits in Redis already. Active jobs go on. */
  async #standBack(): Promise<void> {
    const { worker, redis } = this.#holder;
    clearTimeout(this.#standingBack);
    this.#standingBack = setTimeout(() => void worker.resume().catch(this.#onError), STAND_BACK_MS);
    await worker.pause(true);
    await Promise.all(this.#blocking.map((copy) => copy.unblock(redis)));
  }

  /** Finds the job's consumer and checks the job's data. A job that does not keep its contract fails at once. */
  #check(job: Job): { readonly consumer: JobConsumer; readonly data: unknown } {
    const consumer = this.#consumers.get(job.name);
    const parsed = consumer?.schema.safeParse(job.data);
    if (consumer !== undefined && parsed?.success === true) return { consumer, data: parsed.data };
    const reason = parsed?.error?.message ?? `this worker has no consumer for jobs named "${job.name}"`;
    const error = new UnrecoverableError(`Job ${job.id} does not keep the contract of its queue: ${reason}`);
    // Reported here, because the producer of the job never reads its failure.
    this.#onError(error);
    throw error;
  }

  readonly #adjustSoon = (): void => {
    setImmediate(() => {
      this.#adjustConcurrency();
    });
  };

  /** Takes no more jobs than keep the threads busy: another worker, which may be idle, cannot take what this one has taken. */
  #adjustConcurrency(): void {
    const { hasRoom } = this.#options;
    if (hasRoom === undefined) return;
    this.#holder.worker.concurrency = hasRoom() ? this.#concurrency : Math.max(1, this.#active.size);
  }
}

/** Tells BullMQ that the job was moved to the delayed ones. */
class PostponedError extends DelayedError {}

function keepJobs(option: boolean | number | KeepJobs): KeepJobs {
  if (typeof option === 'object') return option;
  if (typeof option === 'number') return { count: option };
  return { count: option ? 0 : -1 };
}
