import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { ChunkJob } from '@sconce/contracts';
import type { Keys } from '../redis/keys.ts';
import { PLANNER_QUEUE, laneQueueName } from '../queue-names.ts';
import { jobOptionsOf } from '../queue-options.ts';

/** Adds planner jobs, and the chunks of batches. Adding a job that is in its queue already changes nothing. */
export class BatchQueues {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #onError: (error: Error) => void;
  readonly #queues = new Map<string, Queue>();

  constructor(options: { redis: Redis; keys: Keys; onError: (error: Error) => void }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#onError = options.onError;
  }

  /** Has a run of a batch planned. */
  async addPlanner(batchId: string, run: number): Promise<void> {
    const data = { v: 1, batchId, run };
    await this.#get(PLANNER_QUEUE).add('plan', data, { ...jobOptionsOf('planner'), jobId: `${batchId}-${run}` });
  }

  /** Whether a run of a batch has a planner job. */
  async hasPlanner(batchId: string, run: number): Promise<boolean> {
    return (await this.#get(PLANNER_QUEUE).getJob(`${batchId}-${run}`)) !== undefined;
  }

  /** Ends the wait of a planner whose last attempt failed, because the batch was cancelled. */
  async wakePlanner(batchId: string, run: number): Promise<void> {
    const job = await this.#get(PLANNER_QUEUE).getJob(`${batchId}-${run}`);
    // Another process may take or end the job at this moment, and then there is nothing to wake.
    if ((await job?.isDelayed()) === true) await job?.promote().catch(() => undefined);
  }

  /** Adds chunks of one batch, in order. `priority` is the place of a chunk among all waiting jobs: lower comes first. */
  async addChunks(
    pool: string,
    chunks: readonly { readonly data: ChunkJob; readonly priority: number }[],
  ): Promise<void> {
    if (chunks.length === 0) return;
    await this.#get(laneQueueName(pool, 'batch')).addBulk(
      chunks.map(({ data, priority }) => ({
        name: 'chunk',
        data,
        opts: { ...jobOptionsOf('batch'), priority, jobId: `${data.batchId}-${data.run}-${data.index}` },
      })),
    );
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close().catch(this.#onError)));
  }

  #get(name: string): Queue {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(name, { connection: this.#redis, prefix: this.#keys.bullmq, skipWaitingForReady: true });
    queue.on('error', this.#onError);
    this.#queues.set(name, queue);
    // A Queue whose first commands failed fails for ever: Redis was away. The next use makes another one.
    queue.waitUntilReady().catch(() => {
      if (this.#queues.get(name) === queue) this.#queues.delete(name);
    });
    return queue;
  }
}
