import type { ChainableCommander, Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';

const WRITE_EVERY_MS = 500;
/** Members are written again so often while they hold, and expire otherwise: their producer is gone. */
const RENEW_EVERY_MS = 5_000;
const EXPIRE_MS = 15_000;
/** More would say no more to an autoscaler. */
const MAX_ENTRIES = 1_000;

export interface ProducerBacklogOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  /** Unique among the producers. */
  readonly producer: string;
  /** For each pool, how many entries the requests would fill that this producer has not sent. */
  readonly read: () => ReadonlyMap<string, number>;
  readonly onError: (error: Error) => void;
}

/**
 * Writes to Redis how many entries this producer will add to the pools' streams: only few entries of a request line are in a stream, so
 * the stream's length alone does not say how much waits. A set with a member for each entry is what an autoscaler can count.
 *
 * States: *writing* (constructor) → *closed*.
 */
export class ProducerBacklog {
  readonly #options: ProducerBacklogOptions;
  readonly #timer: NodeJS.Timeout;
  /** Pool → members that Redis has, and when they were written. */
  readonly #written = new Map<string, { entries: number; atMs: number }>();

  constructor(options: ProducerBacklogOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#write(options.read()).catch(options.onError), WRITE_EVERY_MS).unref();
  }

  /** Removes this producer's members. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#write(new Map());
  }

  async #write(backlog: ReadonlyMap<string, number>): Promise<void> {
    const { redis, keys, producer } = this.#options;
    if (redis.status !== 'ready' || (backlog.size === 0 && this.#written.size === 0)) return;
    const nowMs = Date.now();
    const writing = redis.pipeline();
    for (const pool of new Set([...backlog.keys(), ...this.#written.keys()])) {
      const entries = Math.min(MAX_ENTRIES, backlog.get(pool) ?? 0);
      const before = this.#written.get(pool);
      if (before?.entries === entries && nowMs - before.atMs < RENEW_EVERY_MS) continue;
      const key = keys.producerBacklog(pool);
      const member = (index: number): string => `${producer}:${index}`;
      writing.zremrangebyscore(key, '-inf', nowMs);
      if (entries > 0) {
        const scored = Array.from({ length: entries }, (_, index) => [nowMs + EXPIRE_MS, member(index)]);
        writing.zadd(key, ...scored.flat()).pexpire(key, EXPIRE_MS);
      }
      const gone = Array.from({ length: Math.max(0, (before?.entries ?? 0) - entries) }, (_, n) => member(entries + n));
      if (gone.length > 0) writing.zrem(key, ...gone);
      if (entries > 0) this.#written.set(pool, { entries, atMs: nowMs });
      else this.#written.delete(pool);
    }
    if (writing.length > 0) await writing.exec();
  }
}

/** Adds the command that counts the entries that a pool's producers will add: one reply, a number. */
export function addProducerBacklog(pipeline: ChainableCommander, key: string): void {
  pipeline.zcount(key, Date.now(), '+inf');
}
