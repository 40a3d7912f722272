import type { Redis } from 'ioredis';
import { LANES, type Lane, type WorkerReport } from '@sconce/contracts';
import type { Keys } from '../redis/keys.ts';
import { bestEffort } from '../redis/redis-connection.ts';
import type { WorkerConnections } from '../redis/worker-connections.ts';
import { LAST_REPORT_ID, REPORTS_TTL_SECONDS } from './report-lifetimes.ts';

const REPORT_EVERY_MS = 5_000;
/** Weight of the rate known before, whenever a lane that was busy is reported. */
const OLD_RATE_WEIGHT = 0.7;

/**
 * Reports how fast this worker is: queue jobs of requests per second of the time in which it had any. While a worker has
 * little to do, its rate is below what it can do; then little waits, too. (The records of batches tell how fast chunks are.)
 *
 * States: *open* (reports every few seconds) → *closed* (its report has been removed).
 */
export class WorkerReporter {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #pool: string;
  readonly #key: string;
  readonly #id: string;
  readonly #slots: number;
  readonly #threads: number;
  readonly #timer: NodeJS.Timeout;
  readonly #onReady: () => void;
  readonly #lanes: Readonly<Record<Lane, LaneRate>> = { online: new LaneRate(), batch: new LaneRate() };

  constructor(
    { patient: redis, keys, onError }: WorkerConnections,
    worker: { readonly pool: string; readonly id: string; readonly slots: number; readonly threads: number },
  ) {
    this.#redis = redis;
    this.#keys = keys;
    this.#pool = worker.pool;
    this.#key = keys.poolRates(worker.pool);
    this.#id = worker.id;
    this.#slots = worker.slots;
    this.#threads = worker.threads;
    const report = (): void => void this.#write().catch(onError);
    this.#onReady = () => {
      report();
      void this.#removeExpired().catch(onError);
    };
    redis.on('ready', this.#onReady);
    if (redis.status === 'ready') this.#onReady();
    this.#timer = setInterval(report, REPORT_EVERY_MS).unref();
  }

  /** A queue job of requests was taken, or has ended. */
  record(lane: Lane, event: 'taken' | 'ended'): void {
    this.#lanes[lane].record(event);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#redis.off('ready', this.#onReady);
    await bestEffort(this.#leave());
  }

  async #write(): Promise<void> {
    if (this.#redis.status !== 'ready') return;
    await this.#redis
      .multi()
      .hset(this.#key, this.#id, JSON.stringify(this.#report()))
      .expire(this.#key, REPORTS_TTL_SECONDS)
      .zadd(this.#keys.pools(), Date.now(), this.#pool)
      .exec();
  }

  /** Removes this worker's report, and keeps what it knew for the next workers. */
  async #leave(): Promise<void> {
    if (this.#redis.status !== 'ready') return;
    const report = this.#report();
    const last = JSON.stringify({ ...report, gone: true } satisfies WorkerReport);
    const leaving = this.#redis.multi().hdel(this.#key, this.#id);
    // A worker that had no jobs of requests does not overwrite the rates of a worker that had some.
    if (Object.keys(report.rates).length > 0) leaving.hset(this.#key, LAST_REPORT_ID, last);
    else leaving.hsetnx(this.#key, LAST_REPORT_ID, last);
    await leaving.expire(this.#key, REPORTS_TTL_SECONDS).exec();
  }

  /** Removes the reports of workers that died long ago. */
  async #removeExpired(): Promise<void> {
    const reports = Object.entries(await this.#redis.hgetall(this.#key));
    const oldestMs = Date.now() - REPORTS_TTL_SECONDS * 1_000;
    const expired = reports.filter(([, text]) => (JSON.parse(text) as WorkerReport).atMs < oldestMs).map(([id]) => id);
    if (expired.length > 0) await this.#redis.hdel(this.#key, ...expired);
  }

  #report(): WorkerReport {
    const rates: Partial<Record<Lane, number>> = {};
    for (const lane of LANES) {
      const rate = this.#lanes[lane].perSecond();
      if (rate !== undefined) rates[lane] = rate;
    }
    return { v: 1, atMs: Date.now(), rates, slots: this.#slots, threads: this.#threads, readsStream: true };
  }
}

/** Queue jobs of one lane that ended, over the time in which there were any. */
class LaneRate {
  #active = 0;
  #busySinceMs = 0;
  #busyMs = 0;
  #ended = 0;
  #perSecond: number | undefined;

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
  perSecond(): number | undefined {
    const nowMs = performance.now();
    const busyMs = this.#busyMs + (this.#active > 0 ? nowMs - this.#busySinceMs : 0);
    if (this.#ended > 0 && busyMs > 0) {
      const latest = (this.#ended / busyMs) * 1_000;
      const before = this.#perSecond;
      this.#perSecond = before === undefined ? latest : OLD_RATE_WEIGHT * before + (1 - OLD_RATE_WEIGHT) * latest;
      this.#ended = 0;
      this.#busyMs = 0;
      this.#busySinceMs = nowMs;
    }
    return this.#perSecond;
  }
}
