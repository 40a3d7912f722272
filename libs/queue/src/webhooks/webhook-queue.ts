import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { WebhookJob } from '@sconce/contracts';
import { WEBHOOK_QUEUE } from '../queue-names.ts';
import { jobOptionsOf } from '../queue-options.ts';
import { Keys } from '../redis/keys.ts';
import { onRedis } from '../redis/redis-connection.ts';

/** Adds webhooks to their queue, over a connection that it shares and does not close. */
export class WebhookQueue {
  readonly #queue: Queue;
  readonly #onError: (error: Error) => void;

  constructor(options: { redis: Redis; keyPrefix: string; onError: (error: Error) => void }) {
    this.#onError = options.onError;
    this.#queue = new Queue(WEBHOOK_QUEUE, {
      connection: options.redis,
      prefix: new Keys(options.keyPrefix).bullmq,
      // A command that is sent while Redis is away must fail in time.
      skipWaitingForReady: true,
    });
    this.#queue.on('error', options.onError);
  }

  /**
   * Has an event delivered at least once. An event whose job is still kept, waiting, active or ended (see `QUEUE_OPTIONS`), is
   * not added again: the first one stands. @throws SconceError `redis_unavailable`.
   */
  async add(job: WebhookJob): Promise<void> {
    const options = { ...jobOptionsOf('webhooks'), jobId: job.eventId };
    await onRedis('accept the webhook', () => this.#queue.add('deliver', job, options));
  }

  async close(): Promise<void> {
    await this.#queue.close().catch(this.#onError);
  }
}
