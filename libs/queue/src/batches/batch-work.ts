import type { Redis } from 'ioredis';
import { FileRecords } from '../files/file-records.ts';
import { Keys } from '../redis/keys.ts';
import { publishNotice } from '../messages/notices.ts';
import type { QueueConfig } from '../queue-config.ts';
import { closeRedis, connectRedis, farewell } from '../redis/redis-connection.ts';
import { WebhookQueue } from '../webhooks/webhook-queue.ts';
import { BatchQueues } from './batch-queues.ts';
import { BatchRecords } from './batch-records.ts';

/** How long a worker's word of its slots holds, ms. */
const SLOTS_TTL_MS = 15_000;

/** What the workers need of batches: their state, their queues and the files of their results, on one connection. */
export class BatchWork {
  readonly records: BatchRecords;
  readonly files: FileRecords;
  readonly queues: BatchQueues;
  readonly webhooks: WebhookQueue;
  readonly #keys: Keys;
  readonly #redis: Redis;

  constructor(config: QueueConfig, onError: (error: Error) => void) {
    this.#keys = new Keys(config.keyPrefix);
    this.#redis = connectRedis(config.redisUrl, 'patient', onError);
    const on = { redis: this.#redis, keys: this.#keys };
    this.records = new BatchRecords({ ...on, ttlSeconds: config.batchTtlSeconds });
    this.files = new FileRecords(on);
    this.queues = new BatchQueues({ ...on, onError });
    this.webhooks = new WebhookQueue({ redis: this.#redis, keyPrefix: config.keyPrefix, onError });
  }

  /** Tells every worker that a batch takes no more results. */
  async tell(batchId: string): Promise<void> {
    await publishNotice(this.#redis, this.#keys, { kind: 'batch', batchId, cancelled: true });
  }

  /** Says how many chunks this worker runs at once. Holds for some seconds: say it again. */
  async announceSlots(pool: string, worker: { readonly id: string; readonly slots: number }): Promise<void> {
    if (this.#redis.status !== 'ready') return;
    const key = this.#keys.slots(pool);
    await this.#redis
      .multi()
      .zadd(key, Date.now(), `${worker.id} ${worker.slots}`)
      .zremrangebyscore(key, '-inf', Date.now() - SLOTS_TTL_MS)
      .pexpire(key, SLOTS_TTL_MS)
      .exec();
  }

  /** Takes this worker's word back. */
  async withdrawSlots(pool: string, worker: { readonly id: string; readonly slots: number }): Promise<void> {
    if (this.#redis.status !== 'ready') return;
    await farewell(this.#redis.zrem(this.#keys.slots(pool), `${worker.id} ${worker.slots}`));
  }

  /** Chunks that the workers of a pool run at once, all together. */
  async slots(pool: string): Promise<number> {
    const words = await this.#redis.zrangebyscore(this.#keys.slots(pool), Date.now() - SLOTS_TTL_MS, '+inf');
    return words.reduce((sum, word) => sum + Number(word.split(' ')[1] ?? 0), 0);
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    await farewell(Promise.all([this.queues.close(), this.webhooks.close()]));
    await closeRedis(this.#redis);
  }
}
