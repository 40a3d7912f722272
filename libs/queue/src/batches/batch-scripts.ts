import { ALSO_WHEN_FULL } from '../records/also-when-full.ts';
import { STORED_BYTES } from '../records/stored-bytes.ts';
import { LEAVE_SUBMITTERS, joinSubmitters } from '../records/submitter.ts';

// Every change of a batch is one script. When two processes try the same change, exactly one makes it, and readers see the batch
// before or after it. KEYS[1] is the batch's hash. Times are epoch ms.

/**
 * KEYS: batch, index of all, unfinished, index of its owner (or of all again), and the sets of its key and of its owner (not used without a limit).
 * ARGV: id, now, ttl s, limits of its key and of its owner, field, value, …. Returns 0 when the batch exists, -1 and -2 as `joinSubmitters`.
 */
export const CREATE = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end${joinSubmitters(
  [
    { set: 'KEYS[5]', most: 'ARGV[4]', field: 'unfinished_of' },
    { set: 'KEYS[6]', most: 'ARGV[5]', field: 'unfinished_of_owner' },
  ],
  { id: 'ARGV[1]', ttl: 'ARGV[3]' },
)}
redis.call('HSET', KEYS[1], 'status', 'validating', 'created_at', ARGV[2], 'epoch', 0, 'run', 1, unpack(ARGV, 6))
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[2], ARGV[1])
return 1`;

/** KEYS: batch, unfinished. ARGV: id. Removes the batch from the unfinished ones. */
export const DROP = `
redis.call('ZREM', KEYS[2], ARGV[1])${LEAVE_SUBMITTERS}`;

/** ARGV: epoch, now, states it may be in (space-separated), new state, field, value, …. Returns the state that it then has; nil when it is gone. */
export const ENTER = `
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return nil end
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'stale' end
if not string.find(' ' .. ARGV[3] .. ' ', ' ' .. status .. ' ', 1, true) then return status end${ALSO_WHEN_FULL}
redis.call('HSET', KEYS[1], 'status', ARGV[4], ARGV[4] .. '_at', ARGV[2], unpack(ARGV, 5))
return ARGV[4]`;

/**
 * A planner takes over the batch: steps of the planner before it are refused from now on. Returns the new epoch; nil when the batch is
 * gone, or in another run.
 */
export const TAKE_OVER = `
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return nil end
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)`;

/**
 * KEYS: batch, chunks. ARGV: epoch, cursor, whether the input has ended, rows planned, index, chunk, index, chunk, ….
 * Chunks are recorded before their jobs are added. When the planner dies in between, the next planner adds the jobs.
 */
export const PLAN = `
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'stale' end
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'in_progress' then return status end
redis.call('HSET', KEYS[1], 'cursor', ARGV[2], 'input_ended', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'rows_planned', ARGV[4])
if #ARGV > 4 then
  redis.call('HSET', KEYS[2], unpack(ARGV, 5))
  redis.call('HINCRBY', KEYS[1], 'chunks_planned', (#ARGV - 4) / 2)
end
return 'ok'`;

/**
 * KEYS: batch, parts, tokens. ARGV: run, index. A delivery of the chunk begins. Its token fences off all deliveries before it.
 * Returns {'run', token}, or {why the chunk need not run}.
 */
export const BEGIN_CHUNK = `
if redis.call('HGET', KEYS[1], 'status') ~= 'in_progress' then return {'gone'} end
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return {'gone'} end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return {'done'} end
return {'run', redis.call('HINCRBY', KEYS[3], ARGV[2], 1)}`;

/**
 * KEYS: batch, parts, tokens, items and totals of the stored bytes. ARGV: run, index, token, part, rows, failed, ms it took, now, notices'
 * channel, notice, bytes of its blobs, id of the batch, limits of stored bytes of the owner and of all.
 * Counts the results of the chunk, once. Its blobs are stored bytes of the batch until files of the results have them. Returns 'ok'; 'stale' when
 * a later delivery has begun; 'done' when another delivery was counted; 'gone' when the batch takes no more results; which limit has no room.
 */
export const COMMIT_CHUNK = `${STORED_BYTES}
if redis.call('HGET', KEYS[1], 'status') ~= 'in_progress' then return 'gone' end
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 'gone' end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return 'done' end
if redis.call('HGET', KEYS[3], ARGV[2]) ~= ARGV[3] then return 'stale' end
local bytes = tonumber(ARGV[11])
local counted = redis.call('HGET', KEYS[1], 'stored')
local had, owner
if bytes > 0 then
  if counted then
    had, owner = string.match(counted, '^(%d+) (%S*) ')
  else
    had, owner = 0, cjson.decode(redis.call('HGET', KEYS[1], 'spec')).owner or ''
  end
  local full = stored_full(KEYS[4], KEYS[5], owner, bytes, ARGV[13], ARGV[14])
  if full ~= '' then return full end
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
redis.call('HINCRBY', KEYS[1], 'chunks_done', 1)
redis.call('HINCRBY', KEYS[1], 'rows_done', ARGV[5])
redis.call('HINCRBY', KEYS[1], 'rows_failed', ARGV[6])
local rows = tonumber(ARGV[5]) + tonumber(ARGV[6])
local pace = rows / math.max(1, tonumber(ARGV[7]))
local before = tonumber(redis.call('HGET', KEYS[1], 'pace') or pace)
redis.call('HSET', KEYS[1], 'pace', tostring(before * 0.6 + pace * 0.4))
local now = tonumber(ARGV[8])
local since = tonumber(redis.call('HGET', KEYS[1], 'window_at') or now)
local window = tonumber(redis.call('HGET', KEYS[1], 'window_rows') or 0) + rows
if now - since > 10000 then
  redis.call('HSET', KEYS[1], 'last_window_at', since, 'last_window_rows', window, 'window_at', now, 'window_rows', 0)
else
  redis.call('HSET', KEYS[1], 'window_at', since, 'window_rows', window)
end
if bytes > 0 then
  if counted then stored_free(KEYS[4], KEYS[5], counted) end
  local member = string.format('%.0f', bytes + had) .. ' ' .. owner .. ' batch:' .. ARGV[12]
  stored_charge(KEYS[4], KEYS[5], member, string.format('%.0f', now + redis.call('PTTL', KEYS[1])))
  redis.call('HSET', KEYS[1], 'stored', member)
end
redis.call('PUBLISH', ARGV[9], ARGV[10])
return 'ok'`;

/**
 * KEYS: batch, items and totals of the stored bytes. ARGV: epoch, now, states it may be in, new state, ttl s, whether files have its results,
 * field, value, …. Enters a final state. The batch stays among the unfinished ones until its webhook is queued.
 */
export const FINISH = `${STORED_BYTES}
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return nil end
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'stale' end
if not string.find(' ' .. ARGV[3] .. ' ', ' ' .. status .. ' ', 1, true) then return status end${ALSO_WHEN_FULL}
redis.call('HSET', KEYS[1], 'status', ARGV[4], ARGV[4] .. '_at', ARGV[2], unpack(ARGV, 7))
redis.call('EXPIRE', KEYS[1], ARGV[5])
local stored = redis.call('HGET', KEYS[1], 'stored')
if stored and ARGV[6] == '1' then
  stored_free(KEYS[2], KEYS[3], stored)
  redis.call('HDEL', KEYS[1], 'stored')
end
return ARGV[4]`;

/**
 * KEYS: batch, parts, unfinished. ARGV: id, now, final states, expires_at, ttl s, index, index, … of chunks whose results are discarded.
 * Returns the number of the new run, or the state of a batch that has not ended.
 */
export const RETRY = `
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return nil end
if not string.find(' ' .. ARGV[3] .. ' ', ' ' .. status .. ' ', 1, true) then return status end
for at = 6, #ARGV do
  local part = redis.call('HGET', KEYS[2], ARGV[at])
  if part then
    part = cjson.decode(part)
    redis.call('HDEL', KEYS[2], ARGV[at])
    redis.call('HINCRBY', KEYS[1], 'chunks_done', -1)
    redis.call('HINCRBY', KEYS[1], 'rows_done', -part.rows)
    redis.call('HINCRBY', KEYS[1], 'rows_failed', -part.failed)
  end
end
redis.call('HDEL', KEYS[1], 'errors', 'ends_as', 'window_at', 'window_rows', 'last_window_at', 'last_window_rows')
redis.call('HDEL', KEYS[1], 'validate_failures', 'assemble_failures')
redis.call('HSET', KEYS[1], 'status', 'in_progress', 'in_progress_at', ARGV[2], 'expires_at', ARGV[4])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return redis.call('HINCRBY', KEYS[1], 'run', 1)`;
