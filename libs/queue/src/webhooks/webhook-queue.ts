import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { Keys } from '../redis/keys.ts';
import { QUEUE_OPTIONS, WEBHOOK_QUEUE } from '../queue-names.ts';
import { onRedis } from '../redis/redis-connection.ts';
import type { WebhookJob } from './webhook-contracts.ts';

/** The producing side of webhooks, on a connection that it shares and does not close. */
export class WebhookQueue {
  readonly #queue: Queue;
  readonly #onError: (error: Error) => void;

  constructor(options: { redis: Redis; keyPrefix: string; onError: (error: Error) => void }) {
    this.#onError = options.onError;
    this.#queue = new Queue(WEBHOOK_QUEUE, {
      connection: options.redis,
      prefix: new Keys(options.keyPrefix).bullmq,
      // While Redis is away commands must fail in time, not wait for it.
      skipWaitingForReady: true,
    });
    this.#queue.on('error', options.onError);
  }

  /**
   * Has an event delivered, at least once. One that waits, is under way, or ended within the time that `QUEUE_OPTIONS` keeps jobs is not
   * added again: what was added first stands. Throws `redis_unavailable`.
   */
  async add(job: WebhookJob): Promise<void> {
    const { attempts, backoff, removeOnComplete, removeOnFail } = QUEUE_OPTIONS.webhooks;
    const options = { attempts, backoff, removeOnComplete, removeOnFail, jobId: job.eventId };
    await onRedis('accept the webhook', () => this.#queue.add('deliver', job, options));
  }

  async close(): Promise<void> {
    await this.#queue.close().catch(this.#onError);
  }
}
