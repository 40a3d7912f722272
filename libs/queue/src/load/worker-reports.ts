import type { Redis } from 'ioredis';
import { LANES, type Lane } from '@sconce/contracts';
import { chunkMsLeft } from './remaining-work.ts';
import type { BatchRecord } from '../batches/batch-record.ts';
import { laneQueueName } from '../queue-names.ts';
import { Keys } from '../redis/keys.ts';
import type { QueueConfig } from '../queue-config.ts';
import { closeRedis, connectRedis, farewell, onRedis } from '../redis/redis-connection.ts';

const REPORT_MS = 5_000;
/** How long a worker's word holds. */
const FRESH_MS = 20_000;
/** How long a pool without workers is remembered: what it did then says what it will do when it has some again. */
const KEEP_SECONDS = 86_400;
/** The word of the last worker that left, in place of its own: pods that come and go leave nothing behind. */
const LAST = 'last';
/** Weight of what was known, at each report of a lane that was busy. */
const MEMORY = 0.7;

/** Chunks that a worker scores at once, where none has said. */
const DEFAULT_SLOTS = 2;

/** What a worker has found out about itself: jobs of requests per second while it had any, by lane. */
type Rates = Partial<Record<Lane, number>>;

/** What a worker says of itself: how fast it is, and how many chunks it scores at once. */
interface Word {
  readonly atMs: number;
  readonly rates: Rates;
  readonly slots?: number;
  /** It is not there any more. */
  readonly gone?: boolean;
}

/**
 * Tells the pool how fast this worker is: jobs of requests per second of the time in which it had any. A worker that has little to do says
 * too little of what it could do, and then little waits. (How fast chunks are, their batches' records say.)
 *
 * States: *open* (reports every few seconds) → *closed*.
 */
export class PoolReporter {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #pool: string;
  readonly #key: string;
  readonly #id: string;
  readonly #slots: number;
  readonly #timer: NodeJS.Timeout;
  readonly #lanes: Readonly<Record<Lane, LaneClock>> = { online: new LaneClock(), batch: new LaneClock() };

  constructor(
    config: QueueConfig,
    worker: { readonly pool: string; readonly id: string; readonly slots: number },
    onError: (error: Error) => void,
  ) {
    this.#redis = connectRedis(config.redisUrl, 'command', onError);
    this.#keys = new Keys(config.keyPrefix);
    this.#pool = worker.pool;
    this.#key = this.#keys.poolRates(worker.pool);
    this.#id = worker.id;
    this.#slots = worker.slots;
    const report = (): void => void this.#report().catch(onError);
    this.#redis.on('ready', () => {
      report();
      void this.#forgetOld().catch(onError);
    });
    this.#timer = setInterval(report, REPORT_MS).unref();
  }

  /** A job of requests was taken, or has ended. */
  record(lane: Lane, event: 'taken' | 'ended'): void {
    this.#lanes[lane].record(event);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await farewell(this.#leave());
    await closeRedis(this.#redis);
  }

  async #report(): Promise<void> {
    if (this.#redis.status !== 'ready') return;
    await this.#redis
      .multi()
      .hset(this.#key, this.#id, JSON.stringify(this.#word()))
      .expire(this.#key, KEEP_SECONDS)
      .zadd(this.#keys.pools(), Date.now(), this.#pool)
      .exec();
  }

  /** What it could do stays known; that it is there does not. */
  async #leave(): Promise<void> {
    if (this.#redis.status !== 'ready') return;
    const word = this.#word();
    const leaving = this.#redis.multi().hdel(this.#key, this.#id);
    const last = JSON.stringify({ ...word, gone: true } satisfies Word & { v: 1 });
    // One that had no jobs of requests does not know more than the last that had.
    if (Object.keys(word.rates).length > 0) leaving.hset(this.#key, LAST, last);
    else leaving.hsetnx(this.#key, LAST, last);
    await leaving.expire(this.#key, KEEP_SECONDS).exec();
  }

  /** Words of workers that ended without a farewell. */
  async #forgetOld(): Promise<void> {
    const words = Object.entries(await this.#redis.hgetall(this.#key));
    const oldestMs = Date.now() - KEEP_SECONDS * 1_000;
    const old = words.filter(([, word]) => (JSON.parse(word) as Word).atMs < oldestMs).map(([id]) => id);
    if (old.length > 0) await this.#redis.hdel(this.#key, ...old);
  }

  #word(): Word & { readonly v: 1 } {
    const rates: Rates = {};
    for (const lane of LANES) {
      const rate = this.#lanes[lane].rate();
      if (rate !== undefined) rates[lane] = rate;
    }
    return { v: 1, atMs: Date.now(), rates, slots: this.#slots };
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

/**
 * What a pool has before it. `jobs` are all in its queues that have not ended. `worker_seconds` is the work in them and in the rows of
 * batches that have not been queued yet, as one worker would need for it alone; `seconds`, as those that are there need together.
 */
export interface PoolBacklog {
  readonly pool: string;
  readonly waiting: number;
  readonly prioritized: number;
  readonly delayed: number;
  readonly active: number;
  readonly jobs: number;
  readonly worker_seconds: number;
  readonly seconds: number;
  readonly workers: number;
}

/**
 * Counts a pool's backlog. Where no worker is there, or none has had such a job, those of the last day stand for what one will do; where
 * there never was one, a job counts for a second. A chunk counts as rows of its batch, and those by the pace of its last chunks.
 *
 * @param unfinished batches that have not ended, of whichever pool.
 * @throws SconceError `redis_unavailable`.
 */
export async function poolBacklog(
  redis: Redis,
  keys: Keys,
  { pool, unfinished }: { readonly pool: string; readonly unfinished: readonly BatchRecord[] },
): Promise<PoolBacklog> {
  const read = redis.multi().hgetall(keys.poolRates(pool));
  for (const lane of LANES) {
    const queue = `${keys.bullmq}:${laneQueueName(pool, lane)}`;
    read.llen(`${queue}:wait`).zcard(`${queue}:prioritized`).zcard(`${queue}:delayed`).llen(`${queue}:active`);
  }
  const replies = ((await onRedis('count the backlog', () => read.exec())) ?? []).map(([, reply]) => reply);
  const words = Object.values((replies[0] ?? {}) as Record<string, string>).map((word) => JSON.parse(word) as Word);
  const fresh = words.filter(({ atMs, gone = false }) => !gone && atMs > Date.now() - FRESH_MS);
  // Workers that have just come do not know yet: then what those of the last day knew.
  const known = (of: (word: Word) => number | undefined): number | undefined =>
    average(fresh.map(of)) ?? average(words.map(of));
  const batches = unfinished.filter(({ spec }) => spec.pool === pool);
  const openChunks = batches.reduce((sum, { chunksPlanned, chunksDone }) => sum + chunksPlanned - chunksDone, 0);
  const total = { waiting: 0, prioritized: 0, delayed: 0, active: 0 };
  let workerSeconds = 0;
  for (const [index, lane] of LANES.entries()) {
    const [waiting = 0, prioritized = 0, delayed = 0, active = 0] = replies
      .slice(1 + 4 * index, 5 + 4 * index)
      .map(Number);
    total.waiting += waiting;
    total.prioritized += prioritized;
    total.delayed += delayed;
    total.active += active;
    const requests = waiting + prioritized + delayed + active - (lane === 'batch' ? openChunks : 0);
    workerSeconds += Math.max(0, requests) / (known(({ rates }) => rates[lane]) ?? 1);
  }
  const chunkMs = batches.reduce((sum, batch) => sum + chunkMsLeft(batch), 0);
  workerSeconds += chunkMs / 1_000 / (known(({ slots }) => slots) ?? DEFAULT_SLOTS);
  return {
    pool,
    ...total,
    jobs: total.waiting + total.prioritized + total.delayed + total.active,
    worker_seconds: round(workerSeconds),
    seconds: round(workerSeconds / Math.max(1, fresh.length)),
    workers: fresh.length,
  };
}

/** Of those that are known. */
function average(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
