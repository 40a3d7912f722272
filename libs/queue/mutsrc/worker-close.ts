import type { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { closeRedis } from './redis-connection.ts';

/**
 * Lets a BullMQ worker finish its jobs and closes its connection. Waits at most `graceMs` (BullMQ's own close has no
 * bound), and not at all where no job is under way and Redis is gone. Answers whether every job was finished.
 */
export async function closeWorker(
  worker: Worker,
  options: { readonly redis: Redis; readonly graceMs: number; readonly activeJobs: () => number },
): Promise<boolean> {
  const { redis, graceMs, activeJobs } = options;
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(
    () => {
      resolve(undefined);
    },
    activeJobs() > 0 || redis.status === 'ready' ? graceMs : 0,
  );
  const closed = worker.close();
  closed.catch(() => undefined);
  await Promise.race([closed, late]);
  clearTimeout(timer);
  await closeRedis(redis);
  return activeJobs() === 0;
}
