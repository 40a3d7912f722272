import type { BatchSpec, ChunkJob } from '@sconce/contracts';
import { BatchWork, WorkerConnections, type DeliveredChunk, type QueueConfig } from '@sconce/queue';
import { MicroBatcher } from '@sconce/runtime';
import type { ModelFinder } from '@sconce/serving';
import { openBlobStore, type BlobStore, type StorageConfig } from '@sconce/storage';
import { createLogger, type Telemetry } from '@sconce/telemetry';
import { BatchPlanner } from '../batch-planner.ts';
import { BatchResults } from '../batch-results.ts';
import { ChunkProcessor } from '../chunk.processor.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import { DatasetThreads } from '../dataset-threads.ts';
import { PLUS_ONE, PlusOneRunner } from './plus-one-runner.ts';

/** How a worker for a test is made. */
export interface BatchWorkerOptions {
  readonly queue: QueueConfig;
  readonly storage: StorageConfig;
  readonly telemetry: Telemetry;
  /** Finds the model; by default `PLUS_ONE`. */
  readonly models?: ModelFinder;
}

/** All that one worker has for batches but its consumers: the test hands jobs over. Redis, the store and dataset threads are real. */
export class BatchWorker {
  readonly runner = new PlusOneRunner();
  readonly connections: WorkerConnections;
  readonly work: BatchWork;
  readonly store: BlobStore;
  readonly threads: DatasetThreads;
  readonly chunks: ChunkProcessor;
  readonly planner: BatchPlanner;

  private constructor(options: BatchWorkerOptions, store: BlobStore) {
    const { queue, storage, telemetry, models = { find: () => Promise.resolve(PLUS_ONE) } } = options;
    const logger = createLogger({ service: 'worker', level: 'silent' });
    const config = { queue, runtime: { threads: 2 } };
    const batcher = new MicroBatcher(this.runner, { maxWaiting: 1_000 });
    this.store = store;
    this.connections = new WorkerConnections(queue, () => undefined);
    this.work = new BatchWork(this.connections);
    this.threads = new DatasetThreads({ storage, s3: {}, datasetRoots: [], limits: DATASET_LIMITS }, 2);
    this.chunks = new ChunkProcessor(this.work, this.threads, models, batcher, telemetry, logger, config);
    const results = new BatchResults(this.work, this.threads, store, config);
    this.planner = new BatchPlanner(this.work, this.threads, models, this.chunks, results, logger, telemetry);
  }

  static async start(options: BatchWorkerOptions): Promise<BatchWorker> {
    return new BatchWorker(options, await openBlobStore(options.storage));
  }

  /** Writes a batch's record. No planner has it yet. */
  async submit(id: string, spec: BatchSpec, expiresInMs = 3_600_000): Promise<void> {
    const nowMs = Date.now();
    await this.work.records.create(id, spec, { nowMs, expiresAtMs: nowMs + expiresInMs, maxUnfinishedPerOwner: 1_000 });
  }

  async close(): Promise<void> {
    this.runner.release();
    await this.threads.close();
    await this.work.close();
    await this.connections.close();
  }
}

/** A delivery of a chunk, as a consumer hands it over. */
export function deliveryOf(job: ChunkJob, delivery = 1, isLast = false): DeliveredChunk {
  const nowMs = Date.now();
  return { job, addedAtMs: nowMs, takenAtMs: nowMs, delivery, isLast };
}
