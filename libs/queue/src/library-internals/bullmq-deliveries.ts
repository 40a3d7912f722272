import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';

/** KEYS: job, its lock. ARGV: the token of the worker that holds the lock. Only that worker changes the count. */
const UNCOUNT_DELIVERY = `
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('HINCRBY', KEYS[1], 'ats', -1) end`;

/** Takes the delivery under way off the job's count (`attemptsStarted`). Does nothing when `worker` no longer holds the job. */
export async function uncountDelivery(job: Job, worker: Worker, redis: Redis): Promise<void> {
  const key = worker.toKey(job.id ?? '');
  await redis.eval(UNCOUNT_DELIVERY, 2, key, `${key}:lock`, job.token ?? '');
}
