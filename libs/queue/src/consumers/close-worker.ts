import type { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { closeRedis, farewell } from '../redis/redis-connection.ts';

/** How long BullMQ may take to let go of Redis while no job is under way: some round trips, with room for a slow one. */
const IDLE_CLOSE_MS = 2_000;
const LOOK_EVERY_MS = 50;

/**
 * Lets a BullMQ worker finish its jobs and closes its connections. BullMQ's own close has no bound, so this waits for it
 * at most `graceMs`, at most `IDLE_CLOSE_MS` from when no job is under way any more, and not at all where that is so and
 * Redis is known to be gone. (It can be gone unknown: a connection still says `ready` until its socket has been looked
 * at.) Answers whether every job was finished; one that was not goes to another worker: at once where `handBack` puts it back into
 * the queue, else when its lock has run out.
 */
export async function closeWorker(
  worker: Worker,
  options: {
    readonly redis: Redis;
    readonly graceMs: number;
    readonly activeJobs: () => number;
    readonly handBack?: () => Promise<void>;
  },
): Promise<boolean> {
  const { redis, graceMs, activeJobs, handBack } = options;
  const closed = worker.close().catch(() => undefined);
  if (activeJobs() > 0 || redis.status === 'ready') {
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const askedAtMs = performance.now();
    let busyAtMs = askedAtMs;
    // Looks again and again: a job that was being fetched when the close began still starts after it.
    const timer = setInterval(() => {
      const nowMs = performance.now();
      if (activeJobs() > 0) busyAtMs = nowMs;
      if (nowMs - askedAtMs >= graceMs || nowMs - busyAtMs >= IDLE_CLOSE_MS) resolve(undefined);
    }, LOOK_EVERY_MS);
    await Promise.race([closed, late]);
    clearInterval(timer);
  }
  if (activeJobs() > 0 && handBack !== undefined && redis.status === 'ready') await farewell(handBack());
  await closeRedis(redis);
  return activeJobs() === 0;
}
