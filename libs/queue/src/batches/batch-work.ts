import { FileRecords } from '../files/file-records.ts';
import { StoredBytes } from '../records/stored-bytes.ts';
import { bestEffort } from '../redis/redis-connection.ts';
import type { WorkerConnections } from '../redis/worker-connections.ts';
import { WebhookQueue } from '../webhooks/webhook-queue.ts';
import { BatchQueues } from './batch-queues.ts';
import { BatchRecords } from './batch-records.ts';

/** How long the slots that a worker announced count, ms. */
const SLOTS_TTL_MS = 15_000;

/** Everything that workers need of batches: their records, their queues, the files of their results, and the slots of a pool. */
export class BatchWork {
  readonly records: BatchRecords;
  readonly files: FileRecords;
  readonly stored: StoredBytes;
  readonly queues: BatchQueues;
  readonly webhooks: WebhookQueue;
  readonly #connections: WorkerConnections;

  constructor(connections: WorkerConnections) {
    const { patient: redis, keys, config, onError } = connections;
    this.#connections = connections;
    this.records = new BatchRecords({ redis, keys, ttlSeconds: config.batchTtlSeconds, limits: config });
    this.stored = new StoredBytes({ redis, keys, limits: config });
    this.files = new FileRecords({ redis, keys, stored: this.stored });
    this.queues = new BatchQueues({ redis, keys, onError });
    this.webhooks = new WebhookQueue({ redis, keyPrefix: config.keyPrefix, onError });
  }

  /** Counts the connections to Redis: after a new one, the primary may lack what was written before. */
  get connection(): number {
    return this.#connections.count.value;
  }

  /** Runs writes that belong together, again if the connection changed meanwhile: then a failover may have kept the last ones only. */
  async together<T>(writes: () => Promise<T>): Promise<T> {
    return this.#connections.count.onOne(writes);
  }

  /** Tells every worker that a batch takes no more results. */
  async tell(batchId: string): Promise<void> {
    await this.#connections.notify({ kind: 'batch', batchId, cancelled: true });
  }

  /** Announces how many chunks this worker scores at once. Counts for some seconds, so it has to be repeated. */
  async announceSlots(pool: string, worker: { readonly id: string; readonly slots: number }): Promise<void> {
    const { patient: redis, keys } = this.#connections;
    if (redis.status !== 'ready') return;
    const key = keys.slots(pool);
    await redis
      .multi()
      .zadd(key, Date.now(), `${worker.id} ${worker.slots}`)
      .zremrangebyscore(key, '-inf', Date.now() - SLOTS_TTL_MS)
      .pexpire(key, SLOTS_TTL_MS)
      .exec();
  }

  /** This worker scores no more chunks. */
  async withdrawSlots(pool: string, worker: { readonly id: string; readonly slots: number }): Promise<void> {
    const { patient: redis, keys } = this.#connections;
    if (redis.status !== 'ready') return;
    await bestEffort(redis.zrem(keys.slots(pool), `${worker.id} ${worker.slots}`));
  }

  /** Chunks that all workers of a pool score at once. */
  async slots(pool: string): Promise<number> {
    const { patient: redis, keys } = this.#connections;
    const announced = await redis.zrangebyscore(keys.slots(pool), Date.now() - SLOTS_TTL_MS, '+inf');
    return announced.reduce((sum, member) => sum + Number(member.split(' ')[1] ?? 0), 0);
  }

  /** Closes the queues. The connections stay open. */
  async close(): Promise<void> {
    await bestEffort(Promise.all([this.queues.close(), this.webhooks.close()]));
  }
}
