import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { InferJob, Lane, RegistrationJob } from '@sconce/contracts';
import { BacklogGauge } from './backlog-gauge.ts';
import { queueFull } from './queue-full.ts';
import type { Keys } from '../redis/keys.ts';
import type { StoredPayload } from '../messages/payload-store.ts';
import { setPieces } from '../library-internals/index.ts';
import type { RedisMemory } from '../load/redis-memory.ts';
import { rememberPool } from '../load/queue-snapshot.ts';
import { REGISTRATION_QUEUE, laneQueueName } from '../queue-names.ts';
import { jobOptionsOf } from '../queue-options.ts';
import { onRedis } from '../redis/redis-connection.ts';

/** A queue job that is ready to be added. */
export interface PackedJob {
  readonly id: string;
  readonly data: InferJob;
  readonly payload: StoredPayload;
  /** How long tensors under a key of their own are kept. */
  readonly ttlSeconds: number;
}

/**
 * Adds jobs to queues: the port between producers and a queue. Its counterpart for workers is `JobConsumer`. Another kind of
 * queue for a lane implements both.
 */
export interface LaneProducer {
  /** Throws `queue_full` when the lane has as many waiting jobs as it may have, or Redis has too little memory. */
  admit(pool: string, lane: Lane, bytes?: number): Promise<void>;
  /** Adds a job with its tensors. A job whose id is in the queue already is not added twice. */
  add(pool: string, lane: Lane, job: PackedJob): Promise<void>;
  /** Removes a job, with its tensors, that no worker has taken yet. A job that runs or has ended stays. */
  remove(queueName: string, jobId: string): Promise<void>;
}

export interface LaneQueuesOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly memory: RedisMemory;
  readonly maxBacklog: number;
  readonly onError: (error: Error) => void;
}

/** Adds jobs to BullMQ queues: one Queue object per name, made at its first use, all on one connection. */
export class LaneQueues implements LaneProducer {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #memory: RedisMemory;
  readonly #maxBacklog: number;
  readonly #onError: (error: Error) => void;
  readonly #queues = new Map<string, { readonly queue: Queue; readonly backlog: BacklogGauge }>();
  /** Pools that Redis remembers already. */
  readonly #pools = new Set<string>();

  constructor(options: LaneQueuesOptions) {
    this.#redis = options.redis;
    this.#memory = options.memory;
    this.#keys = options.keys;
    this.#maxBacklog = options.maxBacklog;
    this.#onError = options.onError;
  }

  async admit(pool: string, lane: Lane, bytes?: number): Promise<void> {
    this.#memory.admit(bytes);
    this.usePool(pool);
    const { backlog } = this.#get(laneQueueName(pool, lane));
    if ((await onRedis('count the backlog', () => backlog.waiting())) < this.#maxBacklog) return;
    throw queueFull(
      `${this.#maxBacklog} jobs are already waiting in the ${lane} lane`,
      backlog.retryAfterSeconds(this.#maxBacklog),
    );
  }

  async add(pool: string, lane: Lane, job: PackedJob): Promise<void> {
    const { queue, backlog } = this.#get(laneQueueName(pool, lane));
    const { beside } = job.payload;
    // Commands of one connection run in order: the tensors are in Redis before the job is.
    const stored = beside && setPieces(this.#redis, { ...beside, ttlSeconds: job.ttlSeconds });
    await Promise.all([stored, queue.add('infer', job.data, { ...jobOptionsOf(lane), jobId: job.id })]);
    backlog.noteAdded();
  }

  async remove(queueName: string, jobId: string): Promise<void> {
    const { queue, backlog } = this.#get(queueName);
    if ((await queue.remove(jobId)) === 0) return;
    backlog.noteRemoved();
    await this.#redis.unlink(this.#keys.payload(jobId));
  }

  /** Adds a registration. A registration of the same version that waits or runs is not added twice. */
  async addRegistration(job: RegistrationJob): Promise<void> {
    const jobId = `${job.model}/${job.version}`;
    await this.#get(REGISTRATION_QUEUE).queue.add('register', job, { ...jobOptionsOf('registration'), jobId });
  }

  /** Adds a pool to the queue snapshots, also when it has no workers. */
  usePool(pool: string): void {
    if (this.#pools.has(pool)) return;
    this.#pools.add(pool);
    rememberPool(this.#redis, this.#keys, pool).catch((error: unknown) => {
      this.#pools.delete(pool);
      this.#onError(error as Error);
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map(({ queue }) => queue.close().catch(this.#onError)));
  }

  #get(name: string): { readonly queue: Queue; readonly backlog: BacklogGauge } {
    let entry = this.#queues.get(name);
    if (entry === undefined) {
      const queue = new Queue(name, {
        connection: this.#redis,
        prefix: this.#keys.bullmq,
        // A command that is sent while Redis is away must fail in time.
        skipWaitingForReady: true,
      });
      queue.on('error', this.#onError);
      const backlog = new BacklogGauge(async () => {
        const counts = await queue.getJobCounts('wait', 'prioritized', 'delayed');
        return Object.values(counts).reduce((sum, count) => sum + count, 0);
      });
      const own = { queue, backlog };
      entry = own;
      this.#queues.set(name, own);
      // A Queue whose first commands failed fails for ever: Redis was away. The next use makes another one.
      queue.waitUntilReady().catch(() => {
        if (this.#queues.get(name) === own) this.#queues.delete(name);
      });
    }
    return entry;
  }
}
