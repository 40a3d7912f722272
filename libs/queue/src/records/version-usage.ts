import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';

/** How a model version is used. */
export interface VersionUsage {
  /** Epoch ms at which a request of it was last accepted, waiting or answered; absent when none is remembered. */
  readonly lastRequestAtMs?: number;
  /** Asynchronous jobs of it that wait or run. */
  readonly unfinishedJobs: number;
}

const NOTE_INTERVAL_MS = 1_000;
/** Readers ask about the last minute; an hour is more than enough. */
const NOTE_TTL_SECONDS = 3_600;

interface Entry {
  readonly model: string;
  readonly version: string;
  /** Requests that are accepted and not answered. */
  open: number;
  /** Epoch ms at which a request was last accepted or answered, and whether that was after the last write. */
  touchedAtMs: number;
  touched: boolean;
  /** A request has been answered. */
  readonly end: () => void;
}

/**
 * Writes to Redis which versions this process accepts requests for: at once for the first request, then once a second
 * while requests come or wait. A request costs no round trip; a second costs one command per version in use. Best effort:
 * while Redis is away, nothing is written, and no request is accepted either.
 */
export class UsageNotes {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #onError: (error: Error) => void;
  readonly #entries = new Map<string, Entry>();
  /** The entry of the latest request. */
  #latest: Entry | undefined;
  #timer: NodeJS.Timeout | undefined;
  #noting = false;

  constructor(options: { redis: Redis; keys: Keys; onError: (error: Error) => void }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#onError = options.onError;
  }

  /** A request was accepted. Call the returned function when it has been answered. */
  begin(model: string, version: string): () => void {
    const latest = this.#latest;
    const isLatest = latest?.model === model && latest.version === version;
    const entry = isLatest ? latest : this.#entryOf(model, version);
    this.#latest = entry;
    touch(entry);
    entry.open += 1;
    return entry.end;
  }

  #entryOf(model: string, version: string): Entry {
    const key = this.#keys.lastRequest(model, version);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry = {
      model,
      version,
      open: 0,
      touched: false,
      touchedAtMs: Date.now(),
      end: () => {
        entry.open -= 1;
        touch(entry);
      },
    };
    this.#entries.set(key, entry);
    this.#timer ??= setInterval(() => this.#tick(), NOTE_INTERVAL_MS).unref();
    void this.#note([[key, entry.touchedAtMs]]);
    return entry;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#entries.clear();
    this.#latest = undefined;
  }

  #tick(): void {
    const used: (readonly [key: string, atMs: number])[] = [];
    for (const [key, entry] of this.#entries) {
      if (entry.open > 0) used.push([key, Date.now()]);
      else if (entry.touched) used.push([key, entry.touchedAtMs]);
      else {
        this.#entries.delete(key);
        if (this.#latest === entry) this.#latest = undefined;
      }
      entry.touched = false;
    }
    if (used.length > 0 && !this.#noting) {
      this.#noting = true;
      void this.#note(used).finally(() => (this.#noting = false));
    }
    if (this.#entries.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #note(used: readonly (readonly [key: string, atMs: number])[]): Promise<void> {
    // Otherwise writes would pile up while Redis is away, and be out of date when it is back.
    if (this.#redis.status !== 'ready') return;
    const pipeline = this.#redis.pipeline();
    for (const [key, atMs] of used) pipeline.set(key, atMs, 'EX', NOTE_TTL_SECONDS);
    await pipeline.exec().catch(this.#onError);
  }
}

function touch(entry: Entry): void {
  entry.touched = true;
  entry.touchedAtMs = Date.now();
}

/** Unfinished jobs are scored with the second at which their record has expired. An expired job does not count. */
const COUNT_UNFINISHED = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1])
return redis.call('ZCARD', KEYS[1])`;

/** How a version is used, over all processes. */
export async function readVersionUsage(
  redis: Redis,
  keys: Keys,
  id: { readonly model: string; readonly version: string },
): Promise<VersionUsage> {
  const { model, version } = id;
  const [taken, answered, unfinishedJobs] = await Promise.all([
    redis.get(keys.lastRequest(model, version)),
    redis.hget(keys.statistics(model, version), 'last_inference_ms'),
    redis.eval(COUNT_UNFINISHED, 1, keys.unfinishedJobs(model, version)),
  ]);
  const lastRequestAtMs = Math.max(Number(taken ?? 0), Number(answered ?? 0));
  return { lastRequestAtMs: lastRequestAtMs > 0 ? lastRequestAtMs : undefined, unfinishedJobs: Number(unfinishedJobs) };
}
