import { Job, Queue } from 'bullmq';
import { SconceError } from '@sconce/errors';
import { openFailures, settleFailure } from '../library-internals/index.ts';
import { describeQueue, type QueueId } from '../queue-names.ts';
import { bestEffort } from '../redis/redis-connection.ts';
import type { WorkerConnections } from '../redis/worker-connections.ts';
import { isOfNewerRelease } from './hand-back.ts';
import type { JobConsumer } from './job-consumer.ts';

/** How often the failed sets are looked at, ms. */
const EVERY_MS = 5_000;
/** Jobs of one queue that are ended in one look. */
const AT_ONCE = 100;

/** A queue with the consumers of its jobs. */
export interface OwnedQueue {
  readonly queue: QueueId;
  readonly consumers: readonly JobConsumer[];
}

export interface FailedJobsOptions {
  readonly queues: readonly OwnedQueue[];
  /** Called for each job that was ended. */
  readonly onEnded?: (ended: { readonly queue: string; readonly jobName: string; readonly reason: string }) => void;
  /** For tests. */
  readonly everyMs?: number;
}

/**
 * The owner of the failed sets of a worker's queues. BullMQ files a job as failed when its attempts are used up, when it stalled too often,
 * or when it cannot be read, and then nobody thinks of it any more. This class ends what such a job stands for (`JobConsumer.abandon`),
 * and removes the job. Every worker does so; ending a job twice does no harm. ADR 33.
 *
 * States: *stopped* → `start` → *looking* → `close` → *stopped*.
 */
export class FailedJobs {
  readonly #connections: WorkerConnections;
  readonly #options: FailedJobsOptions;
  readonly #queues: readonly { readonly name: string; readonly handle: Queue; readonly owned: OwnedQueue }[];
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(connections: WorkerConnections, options: FailedJobsOptions) {
    const { patient: connection, keys, onError } = connections;
    this.#connections = connections;
    this.#options = options;
    this.#queues = options.queues.map((owned) => {
      const { name } = describeQueue(owned.queue);
      const handle = new Queue(name, { connection, prefix: keys.bullmq, skipWaitingForReady: true });
      handle.on('error', onError);
      return { name, handle, owned };
    });
  }

  start(): void {
    const look = (): void => {
      if (this.#looking !== undefined || this.#closed || this.#connections.patient.status !== 'ready') return;
      this.#looking = this.endAll()
        .catch((error: unknown) => this.#connections.onError(error as Error))
        .finally(() => {
          this.#looking = undefined;
        });
    };
    look();
    this.#timer = setInterval(look, this.#options.everyMs ?? EVERY_MS).unref();
  }

  /** Ends what lies in the failed sets now. A job that cannot be ended yet stays, and the error is reported. */
  async endAll(): Promise<void> {
    for (const { name, handle, owned } of this.#queues) {
      const { patient: redis, keys } = this.#connections;
      for (const id of await openFailures(redis, { prefix: keys.bullmq, queue: name, most: AT_ONCE })) {
        if (this.#closed) return;
        const job = await Job.fromId(handle, id);
        if (job !== undefined) await this.#end(job, owned).catch(this.#connections.onError);
      }
    }
  }

  /** Does not wait for work in progress: while Redis or the store is away, it does not end. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await bestEffort(Promise.all(this.#queues.map(({ handle }) => handle.close())));
  }

  async #end(job: Job, { consumers }: OwnedQueue): Promise<void> {
    if (isOfNewerRelease(job)) return;
    const consumer = consumers.find(({ jobName }) => jobName === job.name);
    const parsed = consumer?.schema.safeParse(job.data);
    const reason = job.failedReason ?? 'the reason is unknown';
    // A job that breaks its contract was reported when it was taken. It says nothing that could be ended.
    if (consumer !== undefined && parsed?.success === true) {
      await consumer.abandon(parsed.data, new SconceError('worker_lost', `The job was given up: ${reason}`));
      this.#options.onEnded?.({ queue: job.queueName, jobName: job.name, reason });
      if (consumer.keepsFailed !== true) {
        await job.remove();
        return;
      }
    }
    const { patient: redis, keys } = this.#connections;
    await settleFailure(redis, { prefix: keys.bullmq, queue: job.queueName, id: job.id ?? '' });
  }
}
