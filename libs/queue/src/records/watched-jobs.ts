import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';

/** Time between looks at a job that has not started, s; also until the first one. */
export const FIRST_LOOK_S = 30;
/** A running job that was not announced for so long counts as one that no worker runs, s. Workers announce theirs every 5 s. */
export const ANNOUNCED_S = 8;
/** Time between looks at a running job that no worker announces, s. */
const RUNNING_LOOK_S = 5;
/** Jobs that one script looks at: a script holds up Redis. */
const PAGE = 200;
/** Pages of one turn. With more unfinished jobs than a turn has room for, the oldest look comes first. */
const PAGES = 5;

/**
 * KEYS: watched jobs, turn. ARGV: worker, length of a turn ms, ids of the jobs that this worker runs. Returns whether it is this worker's turn.
 * Works also while Redis is at its `maxmemory`.
 */
const ANNOUNCE = `
redis.call('ZREM', KEYS[1], '')
local until_s = redis.call('TIME')[1] + ${ANNOUNCED_S}
for index = 3, #ARGV do redis.call('ZADD', KEYS[1], 'XX', until_s, ARGV[index]) end
return redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0`;

/**
 * KEYS: watched jobs, start of the keys of records, start of the keys of queues. ARGV: most jobs, s that a waiting job may miss its queue job.
 * `missing` of a record has the second at which its queue job was missed first, and that of the next look: if the set has another one, a
 * worker has started or announced the job in between.
 * Returns how many jobs it looked at, and the ids of lost jobs.
 */
const LOOK = `
redis.call('ZREM', KEYS[1], '')
local now = tonumber(redis.call('TIME')[1])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local lost = {}
for index = 1, #due, 2 do
  local id = due[index]
  local record = KEYS[2] .. id
  local status, queue, missing = unpack(redis.call('HMGET', record, 'status', 'queue', 'missing'))
  local most = status == 'running' and ${RUNNING_LOOK_S} or tonumber(ARGV[2])
  if status ~= 'queued' and status ~= 'running' then
    redis.call('ZREM', KEYS[1], id)
  else
    local again = now + (status == 'running' and ${RUNNING_LOOK_S} or math.min(${FIRST_LOOK_S}, most))
    if redis.call('EXISTS', KEYS[3] .. (queue or '') .. ':' .. id) == 1 then
      if missing then redis.call('HDEL', record, 'missing') end
    else
      local since, expected = string.match(missing or '', '^(%d+) (%d+)$')
      if expected ~= due[index + 1] then since = now end
      redis.call('HSET', record, 'missing', since .. ' ' .. again)
      if now - since >= most then lost[#lost + 1] = id end
    end
    redis.call('ZADD', KEYS[1], again, id)
  end
end
return {#due / 2, lost}`;

/**
 * The asynchronous jobs that have not ended, of all versions and pools. Redis can lose the queue job of a record: in a failover, by an
 * eviction, or because somebody removes it. Then no worker ends the record. This class finds such jobs: their queue job is missing at two looks,
 * and no worker announces that it runs them.
 *
 * The set is scored with the second of the next look. `CREATE`, `START` and the scripts that end a job write it. A worker of the release
 * before does not: a look removes what it has ended. Jobs that its API creates are not watched.
 */
export class WatchedJobs {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #queuedSeconds: number;

  /** @param queuedSeconds for how long the queue job of a waiting job may be missing. */
  constructor(redis: Redis, keys: Keys, queuedSeconds: number) {
    this.#redis = redis;
    this.#keys = keys;
    this.#queuedSeconds = queuedSeconds;
  }

  /**
   * Announces the jobs that a worker runs. Returns whether it is its turn to look; no other worker gets one for `turnMs`.
   */
  async announce(workerId: string, running: Iterable<string>, turnMs: number): Promise<boolean> {
    const keys = [this.#keys.watchedJobs(), this.#keys.watchedJobsTurn()];
    return (await this.#redis.eval(ANNOUNCE, keys.length, ...keys, workerId, turnMs, ...running)) === 1;
  }

  /** Looks at the jobs whose look is due. Returns the ids of those that are lost. */
  async look(): Promise<readonly string[]> {
    const keys = [this.#keys.watchedJobs(), this.#keys.job(''), `${this.#keys.bullmq}:`];
    const lost: string[] = [];
    for (let page = 0; page < PAGES; page += 1) {
      const answer = await this.#redis.eval(LOOK, keys.length, ...keys, PAGE, this.#queuedSeconds);
      const [looked, found] = answer as [number, string[]];
      lost.push(...found);
      if (looked < PAGE) break;
    }
    return lost;
  }
}
