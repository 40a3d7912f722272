import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { onRedis } from '../redis/redis-connection.ts';
import {
  ModelStatisticsWriter,
  readModelStatistics,
  type CountedRequest,
  type ModelStatistics,
} from './model-statistics.ts';
import { readVersionUsage, type VersionUsage } from './version-usage.ts';

/** What Redis knows of model versions. Methods that read throw `redis_unavailable`. */
export class VersionRecords {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #totals: ModelStatisticsWriter;

  constructor(options: { readonly redis: Redis; readonly keys: Keys; readonly onError: (error: Error) => void }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#totals = new ModelStatisticsWriter({ ...options, patient: options.redis });
  }

  /** As `InferenceProducer.statistics`. */
  async statistics(model: string, version: string): Promise<ModelStatistics> {
    return onRedis('read the statistics', () => readModelStatistics(this.#redis, this.#keys, model, version));
  }

  /** Counts a request that ended without a worker. */
  recordRequest(request: CountedRequest): void {
    this.#totals.recordRequest(request);
  }

  /** As `InferenceProducer.usage`. */
  async usage(model: string, version: string): Promise<VersionUsage> {
    return onRedis('read the usage of the version', () =>
      readVersionUsage(this.#redis, this.#keys, { model, version }),
    );
  }

  /** As `InferenceProducer.forgetVersion`. */
  async forget(model: string, version: string): Promise<void> {
    await onRedis('forget the version', () =>
      this.#redis.unlink(this.#keys.lastRequest(model, version), this.#keys.statistics(model, version)),
    );
  }

  async close(): Promise<void> {
    await this.#totals.close();
  }
}
