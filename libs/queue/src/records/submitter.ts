import { SconceError } from '@sconce/errors';

/** Who submits jobs and batches, and how many of both together, over all processes, may be unfinished at once. */
export interface Submitter {
  readonly id: string;
  readonly maxUnfinished: number;
}

/**
 * Part of a script that creates a record: adds the record to its submitter's set (`set`), scored with the second at which it has expired.
 * When the set has `most` members, the script returns -1. LEAVE_SUBMITTER removes it again. The arguments are Lua expressions.
 */
export function joinSubmitter({ set, most, id, ttl }: Record<'set' | 'most' | 'id' | 'ttl', string>): string {
  return `
if ${set} then
  local now = tonumber(redis.call('TIME')[1])
  redis.call('ZREMRANGEBYSCORE', ${set}, '-inf', now)
  if redis.call('ZCARD', ${set}) >= tonumber(${most}) then return -1 end
  redis.call('ZADD', ${set}, now + ${ttl} + 1, ${id})
  if redis.call('TTL', ${set}) < tonumber(${ttl}) then redis.call('EXPIRE', ${set}, ${ttl}) end
  redis.call('HSET', KEYS[1], 'unfinished_of', ${set})
end`;
}

/** KEYS[1]: the record. ARGV[1]: its id. */
export const LEAVE_SUBMITTER = `
local submitters = redis.call('HGET', KEYS[1], 'unfinished_of')
if submitters then redis.call('ZREM', submitters, ARGV[1]) end`;

const RETRY_AFTER_SECONDS = 5;

/** The error for a submitter whose set is full. */
export function tooManyUnfinished({ id, maxUnfinished }: Submitter): SconceError {
  return new SconceError(
    'rate_limited',
    `Key ${id} has ${maxUnfinished} jobs and batches that have not ended; it may not have more. Wait for some to end, or cancel them.`,
    { details: { retryAfterSeconds: RETRY_AFTER_SECONDS } },
  );
}
