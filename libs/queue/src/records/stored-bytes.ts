import type { Redis } from 'ioredis';
import { SconceError } from '@sconce/errors';
import type { Keys } from '../redis/keys.ts';

/** How many bytes of results and files may be stored. */
export interface StoredLimits {
  readonly maxStoredBytes: number;
  readonly maxStoredBytesPerOwner: number;
}

/** Something whose bytes are counted. */
export interface StoredItem {
  readonly kind: 'file' | 'job';
  readonly id: string;
  /** Absent for callers that need no key. */
  readonly owner?: string | undefined;
  readonly bytes: number;
  /** Epoch ms at which it expires by itself; undefined if it stays. */
  readonly expiresAtMs?: number | undefined;
}

/** Which limit has no room: that of the owner, or that of the installation. */
export type Full = 'owner' | 'all';

/** Bytes that may still be stored, at least one, and the error for more of them. */
export interface Room {
  readonly bytes: number;
  readonly full: SconceError;
}

/** Field of the hash with the bytes of all owners. No owner has this name. */
const ALL = '*';
/** Expired items that one script frees at most: a script holds up Redis. */
const SETTLE_AT_ONCE = 200;
const RETRY_AFTER_SECONDS = 60;

/*
 * `items` is a sorted set with a member for each stored item, by the ms at which it expires. `totals` is a hash with the bytes of each
 * owner and of all. A member holds its bytes and owner, so that a script can free it when it has expired. Bytes are formatted, because
 * Lua writes large numbers as 1e+12.
 */
export const STORED_BYTES = `
local function stored_add(totals, owner, bytes)
  local text = string.format('%.0f', bytes)
  for _, of in ipairs({'${ALL}', owner}) do
    if redis.call('HINCRBY', totals, of, text) <= 0 then redis.call('HDEL', totals, of) end
  end
end
local function stored_free(items, totals, member)
  if redis.call('ZREM', items, member) == 0 then return end
  local bytes, owner = string.match(member, '^(%d+) (%S*) ')
  stored_add(totals, owner, -tonumber(bytes))
end
local function stored_settle(items, totals)
  local time = redis.call('TIME')
  local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  local expired = redis.call('ZRANGEBYSCORE', items, '-inf', now, 'LIMIT', 0, ${SETTLE_AT_ONCE})
  for _, member in ipairs(expired) do stored_free(items, totals, member) end
  return #expired
end
local function stored_charge(items, totals, member, expires)
  if redis.call('ZADD', items, 'NX', expires, member) == 0 then return end
  local bytes, owner = string.match(member, '^(%d+) (%S*) ')
  stored_add(totals, owner, tonumber(bytes))
end
local function stored_over(totals, owner, bytes, most, most_of_all)
  local all = tonumber(redis.call('HGET', totals, '${ALL}') or 0)
  if all + bytes > tonumber(most_of_all) then return 'all' end
  if owner == '' then return '' end
  local own = tonumber(redis.call('HGET', totals, owner) or 0)
  return own + bytes > tonumber(most) and 'owner' or ''
end
local function stored_full(items, totals, owner, bytes, most, most_of_all)
  local full = stored_over(totals, owner, bytes, most, most_of_all)
  if full == '' or stored_settle(items, totals) == 0 then return full end
  return stored_over(totals, owner, bytes, most, most_of_all)
end
`;

const CHARGE = `${STORED_BYTES}
if ARGV[6] == '' then
  local full = stored_full(KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), ARGV[4], ARGV[5])
  if full ~= '' then return full end
end
stored_charge(KEYS[1], KEYS[2], ARGV[2] .. ' ' .. ARGV[1] .. ' ' .. ARGV[7], ARGV[3])
return 'ok'`;
const FREE = `${STORED_BYTES}
stored_free(KEYS[1], KEYS[2], ARGV[1])`;
const SETTLE = `${STORED_BYTES}
return stored_settle(KEYS[1], KEYS[2])`;

/**
 * The ledger of stored bytes: results of jobs, uploaded files and results of batches, for each owner and in all. Scripts that change a
 * record change the ledger in the same step. What has expired is freed when the ledger is settled: before something is refused, and
 * regularly by workers.
 */
export class StoredBytes {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #limits: StoredLimits;

  constructor({ redis, keys, limits }: { redis: Redis; keys: Keys; limits: StoredLimits }) {
    this.#redis = redis;
    this.#keys = keys;
    this.#limits = limits;
  }

  /** The keys of the ledger, for scripts: items, totals. */
  get keys(): readonly [items: string, totals: string] {
    return [this.#keys.storedItems(), this.#keys.storedBytes()];
  }

  /** The limits, for scripts: of an owner, of all. */
  get limits(): readonly [perOwner: number, all: number] {
    return [this.#limits.maxStoredBytesPerOwner, this.#limits.maxStoredBytes];
  }

  /** Counts an item. @param always counts it also above the limits. @throws SconceError `quota_exceeded`. */
  async charge(item: StoredItem, { always = false }: { readonly always?: boolean } = {}): Promise<void> {
    const { kind, id, owner = '', bytes, expiresAtMs } = item;
    const answer = await this.#redis.eval(
      CHARGE,
      2,
      ...this.keys,
      owner,
      bytes,
      expiresAtMs ?? '+inf',
      ...this.limits,
      always ? '1' : '',
      `${kind}:${id}`,
    );
    if (answer === 'owner' || answer === 'all') throw this.full(answer, owner);
  }

  /** Frees an item that was counted. Freeing it twice does no harm. */
  async free(item: StoredItem): Promise<void> {
    await this.#redis.eval(FREE, 2, ...this.keys, memberOf(item));
  }

  /** The bytes of an owner and of all, as counted. */
  async read(owner = ''): Promise<{ readonly own: number; readonly all: number }> {
    const [own, all] = await this.#redis.hmget(this.#keys.storedBytes(), owner, ALL);
    return { own: Number(own ?? 0), all: Number(all ?? 0) };
  }

  /**
   * The bytes that an owner may still store, and the error for more.
   * @throws SconceError `quota_exceeded` if there is no room.
   */
  async room(owner = ''): Promise<Room> {
    const [perOwner, maxAll] = this.limits;
    const mostOwn = owner === '' ? Infinity : perOwner;
    const left = async (): Promise<{ own: number; all: number }> => {
      const used = await this.read(owner);
      return { own: mostOwn - used.own, all: maxAll - used.all };
    };
    let room = await left();
    if (Math.min(room.own, room.all) <= 0 && (await this.settle()) > 0) room = await left();
    const bytes = Math.min(room.own, room.all);
    const full = this.full(room.all <= room.own ? 'all' : 'owner', owner);
    if (bytes <= 0) throw full;
    return { bytes, full };
  }

  /** Frees expired items. Returns how many. */
  async settle(): Promise<number> {
    let freed = 0;
    for (;;) {
      const count = Number(await this.#redis.eval(SETTLE, 2, ...this.keys));
      freed += count;
      if (count < SETTLE_AT_ONCE) return freed;
    }
  }

  /** The error for something that there is no room for. */
  full(which: Full, owner: string): SconceError {
    const [perOwner, all] = this.limits;
    const [limit, setting, whose] =
      which === 'all'
        ? ([all, 'SCONCE_MAX_STORED_BYTES', 'This installation'] as const)
        : ([perOwner, 'SCONCE_MAX_STORED_BYTES_PER_OWNER', `Owner ${owner}`] as const);
    return new SconceError(
      'quota_exceeded',
      `${whose} may store ${limit} bytes of results and files, and has no room for more. Delete jobs or files, wait until results expire, or raise ${setting}.`,
      { details: { budget: 'stored_bytes', limit, setting, retryAfterSeconds: RETRY_AFTER_SECONDS } },
    );
  }
}

/** The member of a counted item. */
export function memberOf({ kind, id, owner = '', bytes }: StoredItem): string {
  return `${bytes} ${owner} ${kind}:${id}`;
}
