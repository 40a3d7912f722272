import type { Redis } from 'ioredis';

/** KEYS: the failed set, the start of the keys of its jobs. ARGV: most ids. The oldest come first. */
const OPEN_FAILURES = `
local open = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if redis.call('HEXISTS', KEYS[2] .. id, 'settled') == 0 then
    open[#open + 1] = id
    if #open >= tonumber(ARGV[1]) then break end
  end
end
return open`;

/** Sets a field of a job that still exists. */
const SETTLE = `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'settled', 1) end`;

/** Ids of failed jobs of a queue that have not been settled, oldest first. @param prefix BullMQ's key prefix. */
export async function openFailures(
  redis: Redis,
  { prefix, queue, most }: { readonly prefix: string; readonly queue: string; readonly most: number },
): Promise<readonly string[]> {
  const base = `${prefix}:${queue}:`;
  return (await redis.eval(OPEN_FAILURES, 2, `${base}failed`, base, most)) as readonly string[];
}

/** Marks a job that stays in the failed set: whatever waited for it has been told. */
export async function settleFailure(
  redis: Redis,
  job: { readonly prefix: string; readonly queue: string; readonly id: string },
): Promise<void> {
  await redis.eval(SETTLE, 1, `${job.prefix}:${job.queue}:${job.id}`);
}
