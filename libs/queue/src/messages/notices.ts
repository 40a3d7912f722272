import type { Redis } from 'ioredis';
import * as z from 'zod';
import { Keys } from '../redis/keys.ts';
import type { QueueConfig } from '../queue-config.ts';
import { closeRedis, connectRedis } from '../redis/redis-connection.ts';

const noticeSchema = z.discriminatedUnion('kind', [
  /** Let go of a model (of one version, or all). */
  z.object({ kind: z.literal('unload'), model: z.string(), version: z.string().optional() }),
  /** Nobody wants this job's answer any more. */
  z.object({ kind: z.literal('cancel'), jobId: z.string() }),
  /** A chunk of this batch has been counted, or its state has changed. */
  z.object({ kind: z.literal('batch'), batchId: z.string(), cancelled: z.boolean().optional() }),
  /** Nobody wants these requests' answers any more: their callers have gone. */
  z.object({ kind: z.literal('give_up'), requestIds: z.array(z.string()) }),
]);

/** News for every worker. Best effort: whoever misses one frees memory later or computes in vain, nothing worse. */
export type Notice = z.infer<typeof noticeSchema>;

export async function publishNotice(redis: Redis, keys: Keys, notice: Notice): Promise<void> {
  await redis.publish(keys.notices(), JSON.stringify(notice));
}

/** Hears the notices on a connection of its own; what does not parse (a newer peer's) is passed over. */
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
