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

/** As above. Returns how often the job has been postponed; 0 when the worker no longer holds it. */
const COUNT_POSTPONED = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('HINCRBY', KEYS[1], 'ats', -1)
return redis.call('HINCRBY', KEYS[1], 'postponed', 1)`;

/** Takes the delivery under way off the job's count, and counts it as postponed. Returns how often the job has been postponed. */
export async function countPostponed(job: Job, worker: Worker, redis: Redis): Promise<number> {
  const key = worker.toKey(job.id ?? '');
  return Number(await redis.eval(COUNT_POSTPONED, 2, key, `${key}:lock`, job.token ?? ''));
}
