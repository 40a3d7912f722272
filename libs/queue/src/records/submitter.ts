import { SconceError } from '@sconce/errors';

/** A key that submits jobs and batches, and how many of both together, over all processes, may be unfinished at once. */
export interface Submitter {
  readonly id: string;
  readonly maxUnfinished: number;
}

/** A bound of unfinished jobs and batches: that of the key that submits them, or that of the owner of the key. */
export interface UnfinishedBound {
  /** Key of the sorted set with the unfinished jobs and batches that count. */
  readonly set: string;
  /** 0 if there is no bound. */
  readonly most: number;
  readonly error: () => SconceError;
}

/** Where a script finds a bound: Lua expressions for its set and its limit, and the field of the record that names the set. */
interface Place {
  readonly set: string;
  readonly most: string;
  readonly field: 'unfinished_of' | 'unfinished_of_owner';
}

/**
 * Part of a script that creates a record: adds the record to the sets of its bounds, scored with the second at which it has expired. When a
 * set has as many members as it may have, the script returns -1 for the first set and -2 for the second one, and nothing is added.
 * LEAVE_SUBMITTERS removes it again. `id` and `ttl` are Lua expressions, too.
 */
export function joinSubmitters(places: readonly [Place, Place], { id, ttl }: Record<'id' | 'ttl', string>): string {
  const checks = places.map(
    ({ set, most }, index) => `
if tonumber(${most}) > 0 then
  redis.call('ZREMRANGEBYSCORE', ${set}, '-inf', joined)
  if redis.call('ZCARD', ${set}) >= tonumber(${most}) then return ${-1 - index} end
end`,
  );
  const joins = places.map(
    ({ set, most, field }) => `
if tonumber(${most}) > 0 then
  redis.call('ZADD', ${set}, joined + ${ttl} + 1, ${id})
  if redis.call('TTL', ${set}) < tonumber(${ttl}) then redis.call('EXPIRE', ${set}, ${ttl}) end
  redis.call('HSET', KEYS[1], '${field}', ${set})
end`,
  );
  return `
local joined = tonumber(redis.call('TIME')[1])${checks.join('')}${joins.join('')}`;
}

/** KEYS[1]: the record. ARGV[1]: its id. */
export const LEAVE_SUBMITTERS = `
for _, set in ipairs(redis.call('HMGET', KEYS[1], 'unfinished_of', 'unfinished_of_owner')) do
  if set then redis.call('ZREM', set, ARGV[1]) end
end`;

const RETRY_AFTER_SECONDS = 5;

/** The bounds of the unfinished work of a submission. A key or an owner without a limit has none. */
export function unfinishedBounds(
  keys: { unfinishedOf(id: string): string; unfinishedOfOwner(owner: string): string },
  submitter: Submitter | undefined,
  owner: { readonly name: string | undefined; readonly most: number },
): readonly [UnfinishedBound, UnfinishedBound] {
  const { name, most } = owner;
  // A Redis user with rights on Sconce's keys alone may not name a key of another form, not even an empty one.
  const none: UnfinishedBound = { set: keys.unfinishedOf(''), most: 0, error: () => tooMany('', 0) };
  return [
    submitter === undefined
      ? none
      : {
          set: keys.unfinishedOf(submitter.id),
          most: submitter.maxUnfinished,
          error: () => tooMany(`Key ${submitter.id}`, submitter.maxUnfinished),
        },
    name === undefined
      ? none
      : { set: keys.unfinishedOfOwner(name), most, error: () => tooMany(`Owner ${name}`, most) },
  ];
}

function tooMany(who: string, most: number): SconceError {
  return new SconceError(
    'rate_limited',
    `${who} has ${most} jobs and batches that have not ended; it may not have more. Wait for some to end, or cancel them.`,
    { details: { retryAfterSeconds: RETRY_AFTER_SECONDS } },
  );
}
