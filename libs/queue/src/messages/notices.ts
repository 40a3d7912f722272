import type { Redis } from 'ioredis';
import { noticeSchema, type Notice } from '@sconce/contracts';
import type { Keys } from '../redis/keys.ts';
import type { Subscription } from '../streams/resp-client.ts';

/** Sends a notice to all workers. */
export async function publishNotice(redis: Redis, keys: Keys, notice: Notice): Promise<void> {
  await redis.publish(keys.notices(), JSON.stringify(notice));
}

/** The subscription that receives notices. It ignores notices that it cannot parse: those of a newer release. */
export function noticeSubscription(keys: Keys, onNotice: (notice: Notice) => void): Subscription {
  return {
    channel: keys.notices(),
    onMessage: (text) => {
      const notice = parse(text);
      if (notice !== undefined) onNotice(notice);
    },
  };
}

function parse(text: string): Notice | undefined {
  try {
    return noticeSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
