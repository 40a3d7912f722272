import type { Redis } from 'ioredis';
import type { RequestTiming } from '@sconce/contracts';
import type { ErrorCode } from '@sconce/errors';
import type { Keys } from '../redis/keys.ts';
import { bestEffort } from '../redis/redis-connection.ts';
import type { WorkerConnections } from '../redis/worker-connections.ts';

/** A number of things and the time they took. */
export interface CountAndTime {
  readonly count: number;
  readonly ns: number;
}

/** Totals of one model version over all workers since it was registered. */
export interface ModelStatistics {
  /** Epoch ms of the last answer; 0 for none. */
  readonly lastInferenceMs: number;
  /** Rows of successful runs. */
  readonly inferenceCount: number;
  /** Session calls. */
  readonly executionCount: number;
  readonly success: CountAndTime;
  readonly fail: CountAndTime;
  /** By error code. Those of earlier releases are in `fail` alone. */
  readonly failures: Readonly<Record<string, CountAndTime>>;
  /** Time of requests in the queue. */
  readonly queue: CountAndTime;
  /** Time of requests in a worker before their run. */
  readonly batchWait: CountAndTime;
  /** Time of requests in the native runtime. */
  readonly run: CountAndTime;
  /** Time of requests from the end of their run until the worker had their outputs. */
  readonly output: CountAndTime;
  /** By rows in a run. */
  readonly batches: readonly (CountAndTime & { readonly rows: number; readonly outputNs: number })[];
}

/** A run that has succeeded. */
export interface CountedRun {
  readonly model: string;
  readonly version: string;
  readonly rows: number;
  readonly runMs: number;
  /** From its end until the worker had its outputs. */
  readonly outputMs: number;
}

/** A request that has ended: with its timing, or with its error. */
export type CountedRequest = {
  readonly model: string;
  readonly version: string;
  /** From its acceptance to its end. */
  readonly totalMs: number;
} & ({ readonly timing: RequestTiming; readonly outputMs: number } | { readonly failure: ErrorCode });

const FLUSH_INTERVAL_MS = 50;
const NS_PER_MS = 1e6;

/**
 * Adds to the totals in Redis: at once after a quiet time, else collected for 50 ms, so that the cost does not grow
 * with the load. Best effort: totals that cannot be written, because Redis is away, are dropped.
 */
export class ModelStatisticsWriter {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #pending = new Map<string, Map<string, number>>();
  /** Epoch ms at which each key's totals last grew. */
  readonly #lastMs = new Map<string, number>();
  readonly #onError: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  #flushedAtMs = 0;

  constructor({ patient: redis, keys, onError }: Pick<WorkerConnections, 'patient' | 'keys' | 'onError'>) {
    this.#redis = redis;
    this.#keys = keys;
    this.#onError = onError;
  }

  recordRun(run: CountedRun): void {
    const fields = this.#fields(run.model, run.version);
    add(fields, 'inference_count', run.rows);
    add(fields, 'execution_count', 1);
    add(fields, `batch:${run.rows}:count`, 1);
    add(fields, `batch:${run.rows}:ns`, run.runMs * NS_PER_MS);
    add(fields, `batch:${run.rows}:output_ns`, run.outputMs * NS_PER_MS);
  }

  recordRequest(request: CountedRequest): void {
    const fields = this.#fields(request.model, request.version);
    const count = (name: string, ms: number): void => {
      add(fields, `${name}:count`, 1);
      add(fields, `${name}:ns`, ms * NS_PER_MS);
    };
    if ('failure' in request) {
      count('fail', request.totalMs);
      count(`fail:${request.failure}`, request.totalMs);
      return;
    }
    count('success', request.totalMs);
    count('queue', request.timing.queueMs);
    count('batch_wait', request.timing.batchMs);
    count('run', request.timing.runMs);
    count('output', request.outputMs);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await bestEffort(this.#flush());
  }

  #fields(model: string, version: string): Map<string, number> {
    const key = this.#keys.statistics(model, version);
    let fields = this.#pending.get(key);
    if (fields === undefined) {
      fields = new Map();
      this.#pending.set(key, fields);
    }
    this.#lastMs.set(key, Date.now());
    if (this.#timer === undefined) {
      const waitMs = Math.max(0, this.#flushedAtMs + FLUSH_INTERVAL_MS - performance.now());
      this.#timer = setTimeout(() => void this.#flush(), waitMs);
    }
    return fields;
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    this.#flushedAtMs = performance.now();
    if (this.#pending.size === 0) return;
    const pipeline = this.#redis.pipeline();
    for (const [key, fields] of this.#pending) {
      for (const [field, amount] of fields) pipeline.hincrby(key, field, Math.round(amount));
      // The time of the request, not of this write: the version may have been removed and pushed again in between.
      pipeline.hset(key, 'last_inference_ms', this.#lastMs.get(key) ?? Date.now());
    }
    this.#pending.clear();
    this.#lastMs.clear();
    // Otherwise the totals of a long outage would pile up in this process.
    if (this.#redis.status !== 'reconnecting') await pipeline.exec().catch(this.#onError);
  }
}

/** Reads a version's totals; all are zero when it has not run. */
export async function readModelStatistics(
  redis: Redis,
  keys: Keys,
  model: string,
  version: string,
): Promise<ModelStatistics> {
  const fields = await redis.hgetall(keys.statistics(model, version));
  const number = (name: string): number => Number(fields[name] ?? 0);
  const both = (name: string): CountAndTime => ({ count: number(`${name}:count`), ns: number(`${name}:ns`) });
  const named = (pattern: RegExp): string[] => Object.keys(fields).flatMap((field) => pattern.exec(field)?.[1] ?? []);
  return {
    lastInferenceMs: number('last_inference_ms'),
    inferenceCount: number('inference_count'),
    executionCount: number('execution_count'),
    success: both('success'),
    fail: both('fail'),
    failures: Object.fromEntries(named(/^fail:(\w+):count$/).map((code) => [code, both(`fail:${code}`)])),
    queue: both('queue'),
    batchWait: both('batch_wait'),
    run: both('run'),
    output: both('output'),
    batches: named(/^batch:(\d+):count$/)
      .map((size) => ({ rows: Number(size), ...both(`batch:${size}`), outputNs: number(`batch:${size}:output_ns`) }))
      .sort((left, right) => left.rows - right.rows),
  };
}

function add(fields: Map<string, number>, field: string, amount: number): void {
  fields.set(field, (fields.get(field) ?? 0) + amount);
}
