import { ALSO_WHEN_FULL } from './also-when-full.ts';
import { STORED_BYTES } from './stored-bytes.ts';
import { LEAVE_SUBMITTERS, joinSubmitters } from './submitter.ts';
import { ANNOUNCED_S, FIRST_LOOK_S } from './watched-jobs.ts';

// Each transition is one script. When two workers ran one job, or a worker and a cancel meet, exactly one of them wins. The
// same scripts add a job to its version's set of unfinished jobs, which the record names, and remove it. A job whose record
// expires stays in the set until the set is counted next. The set expires with its last record.
// The inputs of a job with an owner count until it ends, in a ledger as that of the stored bytes. The record names it.
// The same scripts keep the set of watched jobs (WatchedJobs).
// Scripts with LEAVE begin with STORED_BYTES.
/** @param watched Lua expression for the key of the watched jobs. */
const leave = (watched: string): string => `
redis.call('ZREM', ${watched}, ARGV[1])
local queued = redis.call('HMGET', KEYS[1], 'queued', 'queued_items', 'queued_totals')
if queued[1] then stored_free(queued[2], queued[3], queued[1]) end
local unfinished = redis.call('HGET', KEYS[1], 'unfinished')
if unfinished then redis.call('ZREM', unfinished, ARGV[1]) end${LEAVE_SUBMITTERS}`;
/**
 * The record of an ended job stays as long as its result, and at least as long as its idempotency key: without the record, the key would run
 * the job again. `ttl` is a Lua expression, s.
 */
const keepEnded = (ttl: string): string => `
local claim = redis.call('HGET', KEYS[1], 'claim')
local rest = claim and redis.call('TTL', claim) or 0
redis.call('EXPIRE', KEYS[1], math.max(tonumber(${ttl}), rest + 1))`;
/** Removes a job from the list of all jobs, KEYS[first], and from its owner's, whose key begins with the next one. ARGV[1]: id. */
const unlist = (first: number): string => `
redis.call('ZREM', KEYS[${first}], ARGV[1])
local lister = redis.call('HGET', KEYS[1], 'owner')
if lister then redis.call('ZREM', KEYS[${first + 1}] .. lister, ARGV[1]) end`;
/**
 * KEYS: job, unfinished jobs of its version, sets of its key and of its owner (not used without a limit), items and totals of the queued
 * bytes, watched jobs, the list of all jobs and the start of the keys of lists of owners. Returns 0 when the job exists, -1 and -2 as
 * `joinSubmitters`, -3 when the owner may not queue so many bytes.
 */
export const CREATE = `${STORED_BYTES}
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local counted = ARGV[9] ~= '' and tonumber(ARGV[14]) > 0
if counted and stored_full(KEYS[5], KEYS[6], ARGV[9], tonumber(ARGV[14]), ARGV[15], '1e300') ~= '' then return -3 end${joinSubmitters(
  [
    { set: 'KEYS[3]', most: 'ARGV[11]', field: 'unfinished_of' },
    { set: 'KEYS[4]', most: 'ARGV[12]', field: 'unfinished_of_owner' },
  ],
  { id: 'ARGV[1]', ttl: 'ARGV[7]' },
)}
redis.call('HSET', KEYS[1], 'status', 'queued', 'model', ARGV[2], 'version', ARGV[3], 'created_at', ARGV[4], 'attachment', ARGV[5], 'queue', ARGV[6], 'unfinished', KEYS[2], 'trace_id', ARGV[8])
if ARGV[9] ~= '' then redis.call('HSET', KEYS[1], 'owner', ARGV[9]) end
if ARGV[13] ~= '' then redis.call('HSET', KEYS[1], 'claim', ARGV[13]) end
if counted then
  local member = ARGV[14] .. ' ' .. ARGV[9] .. ' input:' .. ARGV[1]
  stored_charge(KEYS[5], KEYS[6], member, string.format('%.0f', (joined + ARGV[7]) * 1000))
  redis.call('HSET', KEYS[1], 'queued', member, 'queued_items', KEYS[5], 'queued_totals', KEYS[6])
end
if ARGV[10] == '1' then redis.call('HSET', KEYS[1], 'blob_results', '1') end
for _, set in ipairs(ARGV[9] == '' and {KEYS[8]} or {KEYS[8], KEYS[9] .. ARGV[9]}) do
  redis.call('ZADD', set, ARGV[4], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', set, '-inf', string.format('%.0f', ARGV[4] - ARGV[16]))
  redis.call('PEXPIRE', set, ARGV[16])
end
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('ZADD', KEYS[7], joined + ${FIRST_LOOK_S}, ARGV[1])
redis.call('ZADD', KEYS[2], redis.call('TIME')[1] + ARGV[7] + 1, ARGV[1])
if redis.call('TTL', KEYS[2]) < tonumber(ARGV[7]) then redis.call('EXPIRE', KEYS[2], ARGV[7]) end
return 1`;
/** KEYS: job, watched jobs, lists as in CREATE. ARGV: id. */
export const FORGET = `${STORED_BYTES}${leave('KEYS[2]')}${unlist(3)}
redis.call('UNLINK', KEYS[1])`;
/** KEYS: job, watched jobs. ARGV: id, now. */
export const START = `
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then return 0 end${ALSO_WHEN_FULL}
redis.call('HSET', KEYS[1], 'status', 'running')
redis.call('HSETNX', KEYS[1], 'started_at', ARGV[2])
redis.call('ZADD', KEYS[2], 'XX', redis.call('TIME')[1] + ${ANNOUNCED_S}, ARGV[1])
return 1`;

/**
 * KEYS: job, result, items and totals of the stored bytes, removals, watched jobs. ARGV: id, status, now, error, timing, result (empty if there is none, or if it
 * is in the blob store), ttl s, bytes of the result, key and removal of its blob (or empty), limits of stored bytes of the owner and of all.
 * Returns 1; 0 when the job had ended; which limit has no room.
 */
export const FINISH = `${STORED_BYTES}
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then return 0 end
local expires = ARGV[3] + ARGV[7] * 1000
local bytes = tonumber(ARGV[8])
if bytes > 0 then
  local owner = redis.call('HGET', KEYS[1], 'owner') or ''
  local full = stored_full(KEYS[3], KEYS[4], owner, bytes, ARGV[11], ARGV[12])
  if full ~= '' then return full end
  if ARGV[6] ~= '' then redis.call('SET', KEYS[2], ARGV[6], 'EX', ARGV[7]) end${ALSO_WHEN_FULL}
  local member = ARGV[8] .. ' ' .. owner .. ' job:' .. ARGV[1]
  stored_charge(KEYS[3], KEYS[4], member, string.format('%.0f', expires))
  redis.call('HSET', KEYS[1], 'stored', member)
  if ARGV[9] ~= '' then
    redis.call('HSET', KEYS[1], 'result_blob', ARGV[9])
    redis.call('ZADD', KEYS[5], string.format('%.0f', expires), ARGV[10])
  end
end${ALSO_WHEN_FULL}
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'finished_at', ARGV[3], 'error', ARGV[4], 'timing', ARGV[5])${keepEnded('ARGV[7]')}${leave('KEYS[6]')}
return 1`;

/** KEYS: removals. ARGV: ms at which it is due, removal. Works also while Redis is at its `maxmemory`. */
export const SCHEDULE_REMOVAL = `
redis.call('ZREM', KEYS[1], '')
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])`;

/** KEYS: job, watched jobs. ARGV: id, now, ttl s. Returns the status that the job then has; nil when there is none. */
export const CANCEL = `${STORED_BYTES}
local status = redis.call('HGET', KEYS[1], 'status')
if not status or status == 'removed' then return nil end
if status ~= 'queued' and status ~= 'running' then return status end${ALSO_WHEN_FULL}
redis.call('HSET', KEYS[1], 'status', 'cancelled', 'finished_at', ARGV[2])${keepEnded('ARGV[3]')}${leave('KEYS[2]')}
return 'cancelled'`;

/**
 * KEYS: job, result, items and totals of the stored bytes, removals, lists as in CREATE. ARGV: id, now. Removes a job that has ended, and frees the bytes of its result.
 * While the idempotency key of the job is kept, its record only says that it was removed: the key must not run it again.
 * Returns 1 or the key of the blob with its result; 0 when the job has not ended or is gone.
 */
export const REMOVE = `${STORED_BYTES}
local status = redis.call('HGET', KEYS[1], 'status')
if not status or status == 'queued' or status == 'running' or status == 'removed' then return 0 end${ALSO_WHEN_FULL}
local stored = redis.call('HGET', KEYS[1], 'stored')
if stored then stored_free(KEYS[3], KEYS[4], stored) end
local blob = redis.call('HGET', KEYS[1], 'result_blob')
if blob then redis.call('ZADD', KEYS[5], ARGV[2], '{"kind":"blob","key":"' .. blob .. '"}') end
local claim = redis.call('HGET', KEYS[1], 'claim')${unlist(6)}
redis.call('UNLINK', KEYS[1], KEYS[2])
local rest = claim and redis.call('PTTL', claim) or 0
if rest > 0 then
  redis.call('HSET', KEYS[1], 'status', 'removed')
  redis.call('PEXPIRE', KEYS[1], rest)
end
return blob or 1`;
