import type { Redis } from 'ioredis';
import type { WorkerReport } from '@sconce/contracts';
import type { Keys } from '../redis/keys.ts';
import { onRedis } from '../redis/redis-connection.ts';
import { addProducerBacklog } from './producer-backlog.ts';
import { LAST_REPORT_ID, REPORT_FRESH_MS } from './report-lifetimes.ts';

/** A view is read again, in the background, when it is older, ms. */
const STALE_MS = 1_000;
/** Threads of a worker whose report does not say how many it has. */
const DEFAULT_THREADS = 2;

/** What a producer must know about a pool. */
export interface PoolView {
  /** Entries of the pool's stream, and entries that producers will add. */
  readonly entries: number;
  /** Threads of all workers, at least 1. */
  readonly threads: number;
  /** Whether every worker reads the pool's stream. Workers of the release before do not. */
  readonly readsStream: boolean;
}

/** Keeps a view of each pool in use that is about a second old, so that a request needs no round trip to Redis for it. */
export class PoolMonitor {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #onError: (error: Error) => void;
  readonly #views = new Map<string, { view: PoolView; readAtMs: number }>();
  readonly #reading = new Map<string, Promise<PoolView>>();

  constructor(options: { redis: Redis; keys: Keys; onError: (error: Error) => void }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#onError = options.onError;
  }

  /** The last view of a pool; undefined before the first one was read. An old view is read again in the background. */
  view(pool: string): PoolView | undefined {
    const known = this.#views.get(pool);
    if (known === undefined) return undefined;
    const nowMs = performance.now();
    if (nowMs - known.readAtMs > STALE_MS) {
      known.readAtMs = nowMs;
      this.read(pool).catch(this.#onError);
    }
    return known.view;
  }

  /** Reads a pool's view. @throws SconceError `redis_unavailable`. */
  read(pool: string): Promise<PoolView> {
    const reading = this.#reading.get(pool) ?? this.#read(pool).finally(() => this.#reading.delete(pool));
    this.#reading.set(pool, reading);
    return reading;
  }

  async #read(pool: string): Promise<PoolView> {
    const [reports, entries, unsent] = await onRedis('read the load of the pool', async () => {
      const reading = this.#redis.pipeline().hgetall(this.#keys.poolRates(pool)).xlen(this.#keys.onlineStream(pool));
      addProducerBacklog(reading, this.#keys.producerBacklog(pool));
      return ((await reading.exec()) ?? []).map(([error, reply]) => {
        if (error !== null) throw error;
        return reply;
      });
    });
    const view = viewOf((reports ?? {}) as Record<string, string>, Number(entries ?? 0) + Number(unsent ?? 0));
    this.#views.set(pool, { view, readAtMs: performance.now() });
    return view;
  }
}

function viewOf(reports: Readonly<Record<string, string>>, entries: number): PoolView {
  const parsed = Object.entries(reports).map(([id, text]) => ({ id, ...(JSON.parse(text) as WorkerReport) }));
  const fresh = parsed.filter(({ atMs, gone = false }) => !gone && atMs > Date.now() - REPORT_FRESH_MS);
  const deciding = fresh.length > 0 ? fresh : parsed.filter(({ id }) => id === LAST_REPORT_ID);
  return {
    entries,
    threads: Math.max(
      1,
      fresh.reduce((sum, { threads = DEFAULT_THREADS }) => sum + threads, 0),
    ),
    // A pool that never had a worker gets workers of this release.
    readsStream: deciding.every(({ readsStream = false }) => readsStream),
  };
}
