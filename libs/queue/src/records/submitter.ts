import { SconceError } from '@sconce/errors';

/** Who submits jobs and batches, and how many of them may be unfinished at once, both together and over all processes. */
export interface Submitter {
  readonly id: string;
  readonly maxUnfinished: number;
}

/**
 * Part of a script that creates a record: it joins its submitter's set (`set`), scored with the second by which it is gone at the latest; where
 * that has `most` members, the script answers -1. LEAVE_SUBMITTER ends it. Lua expressions.
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

/** What a submitter hears whose set is full. */
export function tooManyUnfinished({ id, maxUnfinished }: Submitter): SconceError {
  return new SconceError(
    'rate_limited',
    `Key ${id} has ${maxUnfinished} jobs and batches that have not ended, as many as it may. Wait for some, or cancel them.`,
    { details: { retryAfterSeconds: RETRY_AFTER_SECONDS } },
  );
}
