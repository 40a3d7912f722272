import type { Redis } from 'ioredis';
import type { Lane } from './queue-names.ts';
import { laneQueueName } from './queue-names.ts';
import { Keys } from './keys.ts';
import type { QueueConfig } from './queue-config.ts';
import { closeRedis, connectRedis, farewell, onRedis } from './redis-connection.ts';

const LANES: readonly Lane[] = ['online', 'batch'];
const REPORT_MS = 5_000;
/** How long a worker's word holds. */
const FRESH_MS = 20_000;
/** How long a pool without workers is remembered: what it did then says what it will do when it has some again. */
const KEEP_SECONDS = 86_400;
/** Weight of what was known, at each report of a lane that was busy. */
const MEMORY = 0.7;

/** What a worker has found out about itself: jobs per second while it had any, by lane. */
type Rates = Partial<Record<Lane, number>>;

/**
 * Tells the pool how fast this worker is: jobs per second of the time in which it had any. A worker that has little to do says too little
 * of what it could do, and then little waits.
 *
 * States: *open* (reports every few seconds) → *closed*.
 */
export class PoolReporter {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #pool: string;
  readonly #id: string;
  readonly #timer: NodeJS.Timeout;
  readonly #lanes: Readonly<Record<Lane, LaneClock>> = { online: new LaneClock(), batch: new LaneClock() };

  constructor(
    config: QueueConfig,
    worker: { readonly pool: string; readonly id: string },
    onError: (error: Error) => void,
  ) {
    this.#redis = connectRedis(config.redisUrl, 'command', onError);
    this.#keys = new Keys(config.keyPrefix);
    this.#pool = worker.pool;
    this.#id = worker.id;
    this.#timer = setInterval(() => void this.#report().catch(onError), REPORT_MS).unref();
  }

  /** A job was taken, or has ended. */
  record(lane: Lane, event: 'taken' | 'ended'): void {
    this.#lanes[lane].record(event);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await farewell(this.#report());
    await closeRedis(this.#redis);
  }

  async #report(): Promise<void> {
    if (this.#redis.status !== 'ready') return;
    const rates: Rates = {};
    for (const lane of LANES) {
      const rate = this.#lanes[lane].rate();
      if (rate !== undefined) rates[lane] = rate;
    }
    const word = JSON.stringify({ v: 1, atMs: Date.now(), rates });
    const key = this.#keys.poolRates(this.#pool);
    await this.#redis
      .multi()
      .hset(key, this.#id, word)
      .expire(key, KEEP_SECONDS)
      .zadd(this.#keys.pools(), Date.now(), this.#pool)
      .exec();
  }
}

/** Jobs that ended, over the time in which there were any. */
class LaneClock {
  #active = 0;
  #busySinceMs = 0;
  #busyMs = 0;
  #ended = 0;
  #rate: number | undefined;

  record(event: 'taken' | 'ended'): void {
    const nowMs = performance.now();
    if (event === 'taken') {
      if (this.#active === 0) this.#busySinceMs = nowMs;
      this.#active += 1;
      return;
    }
    this.#ended += 1;
    this.#active = Math.max(0, this.#active - 1);
    if (this.#active === 0) this.#busyMs += nowMs - this.#busySinceMs;
  }

  /** Jobs per second, smoothed over reports; undefined before the first job has ended. */
  rate(): number | undefined {
    const nowMs = performance.now();
    const busyMs = this.#busyMs + (this.#active > 0 ? nowMs - this.#busySinceMs : 0);
    if (this.#ended > 0 && busyMs > 0) {
      const last = (this.#ended / busyMs) * 1_000;
      this.#rate = this.#rate === undefined ? last : MEMORY * this.#rate + (1 - MEMORY) * last;
      this.#ended = 0;
      this.#busyMs = 0;
      this.#busySinceMs = nowMs;
    }
    return this.#rate;
  }
}

/** What a pool has before it. `jobs` are all that have not ended; `seconds`, how long its workers need for them. */
export interface PoolBacklog {
  readonly pool: string;
  readonly waiting: number;
  readonly prioritized: number;
  readonly delayed: number;
  readonly active: number;
  readonly jobs: number;
  readonly seconds: number;
  readonly workers: number;
}

/**
 * Counts a pool's backlog. Where no worker is there, those of the last day stand for what one will do; where there never was one, a job
 * counts for a second.
 *
 * @throws SconceError `redis_unavailable`.
 */
export async function poolBacklog(redis: Redis, keys: Keys, pool: string): Promise<PoolBacklog> {
  const read = redis.multi().hgetall(keys.poolRates(pool));
  for (const lane of LANES) {
    const queue = `${keys.bullmq}:${laneQueueName(pool, lane)}`;
    read.llen(`${queue}:wait`).zcard(`${queue}:prioritized`).zcard(`${queue}:delayed`).llen(`${queue}:active`);
  }
  const replies = ((await onRedis('count the backlog', () => read.exec())) ?? []).map(([, reply]) => reply);
  const said = Object.entries((replies[0] ?? {}) as Record<string, string>).map(([id, word]) => ({
    id,
    ...(JSON.parse(word) as { readonly atMs: number; readonly rates: Rates }),
  }));
  // Workers come and go as long as the pool is there: what they said must not gather.
  const old = said.filter(({ atMs }) => atMs < Date.now() - KEEP_SECONDS * 1_000).map(({ id }) => id);
  if (old.length > 0) await onRedis('forget workers', () => redis.hdel(keys.poolRates(pool), ...old));
  const words = said.filter(({ id }) => !old.includes(id));
  const fresh = words.filter(({ atMs }) => atMs > Date.now() - FRESH_MS);
  const total = { waiting: 0, prioritized: 0, delayed: 0, active: 0 };
  let seconds = 0;
  for (const [index, lane] of LANES.entries()) {
    const [waiting = 0, prioritized = 0, delayed = 0, active = 0] = replies
      .slice(1 + 4 * index, 5 + 4 * index)
      .map(Number);
    total.waiting += waiting;
    total.prioritized += prioritized;
    total.delayed += delayed;
    total.active += active;
    seconds += (waiting + prioritized + delayed + active) / laneRate(lane, fresh, words);
  }
  const jobs = total.waiting + total.prioritized + total.delayed + total.active;
  return { pool, ...total, jobs, seconds: Math.round(seconds * 100) / 100, workers: fresh.length };
}

/** Jobs per second of the workers that are there, of which those that have not had a job count for the average; else of one of the last. */
function laneRate(
  lane: Lane,
  fresh: readonly { readonly rates: Rates }[],
  all: readonly { readonly rates: Rates }[],
): number {
  const known = (fresh.length > 0 ? fresh : all).flatMap(({ rates }) => rates[lane] ?? []);
  const average = known.length === 0 ? 1 : known.reduce((sum, rate) => sum + rate, 0) / known.length;
  return average * Math.max(1, fresh.length);
}
