import type { Redis } from 'ioredis';
import { noticeSchema, type Notice } from '@sconce/contracts';
import { Keys } from '../redis/keys.ts';
import type { QueueConfig } from '../queue-config.ts';
import { closeRedis, connectRedis } from '../redis/redis-connection.ts';

/** Sends a notice to all workers. */
export async function publishNotice(redis: Redis, keys: Keys, notice: Notice): Promise<void> {
  await redis.publish(keys.notices(), JSON.stringify(notice));
}

/** Receives notices on a connection of its own. It ignores notices that it cannot parse: those of a newer release. */
export class NoticeListener {
  readonly #redis: Redis;

  constructor(config: QueueConfig, options: { onNotice: (notice: Notice) => void; onError: (error: Error) => void }) {
    const { onError } = options;
    this.#redis = connectRedis({ url: config.redisUrl, role: 'patient', name: 'sconce.worker.notices', onError });
    this.#redis.on('message', (_channel, text) => {
      const notice = parse(text);
      if (notice !== undefined) options.onNotice(notice);
    });
    // ioredis subscribes again by itself after a reconnect.
    this.#redis.subscribe(new Keys(config.keyPrefix).notices()).catch(onError);
  }

  async close(): Promise<void> {
    await closeRedis(this.#redis);
  }
}

function parse(text: string): Notice | undefined {
  try {
    return noticeSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
