import { Module, type DynamicModule } from '@nestjs/common';
import { ModelDirectory, ModelFiles, ModelRepository } from '@sconce/models';
import { BatchWork, WorkerConnections } from '@sconce/queue';
import { InferencePool, MicroBatcher } from '@sconce/runtime';
import { openBlobStore, type BlobStore } from '@sconce/storage';
import type { Logger, Telemetry } from '@sconce/telemetry';
import { BatchMaintenance } from './batches/batch-maintenance.ts';
import { BatchPlanner } from './batches/batch-planner.ts';
import { BatchResults } from './batches/batch-results.ts';
import { ChunkProcessor, chunkSlots } from './batches/chunk.processor.ts';
import { DatasetThreads } from './batches/dataset-threads.ts';
import type { WorkerConfig } from './config.ts';
import { InferenceProcessor } from './inference/inference.processor.ts';
import { RunStatistics } from './inference/run-statistics.ts';
import { ServedModels } from './inference/served-models.ts';
import { RegistrationProcessor } from './registration/registration.processor.ts';
import { BLOB_STORE, CONFIG, LOGGER, TELEMETRY } from './tokens.ts';
import { WebhookProcessor } from './webhooks/webhook.processor.ts';
import { WorkerConsumers } from './worker-consumers.ts';
import { WorkerService } from './worker.service.ts';

/** Composes the libraries into a worker. Injection tokens are explicit, so no emitted type metadata is needed. */
@Module({})
export class WorkerModule {
  static register(given: { config: WorkerConfig; logger: Logger; telemetry: Telemetry }): DynamicModule {
    const { config, logger } = given;
    return {
      module: WorkerModule,
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: TELEMETRY, useValue: given.telemetry },
        { provide: BLOB_STORE, useFactory: () => openBlobStore(config.storage) },
        {
          provide: ModelRepository,
          useFactory: (store: BlobStore) =>
            new ModelRepository({
              store,
              onCorrupt: (error, id) => logger.error({ err: error, ...id }, 'a damaged model is skipped'),
            }),
          inject: [BLOB_STORE],
        },
        { provide: ModelFiles, useFactory: (store: BlobStore) => new ModelFiles(store), inject: [BLOB_STORE] },
        {
          provide: ModelDirectory,
          useFactory: (repository: ModelRepository) => new ModelDirectory({ repository }),
          inject: [ModelRepository],
        },
        { provide: InferencePool, useFactory: () => new InferencePool(config.runtime) },
        {
          provide: MicroBatcher,
          useFactory: (pool: InferencePool, statistics: RunStatistics) => {
            const batcher = new MicroBatcher(pool, {
              maxWaiting: config.runtime.maxWaiting,
              onRun: (run) => statistics.recordRun(run),
            });
            statistics.watch(batcher, pool.threads);
            return batcher;
          },
          inject: [InferencePool, RunStatistics],
        },
        {
          provide: WorkerConnections,
          useFactory: () =>
            new WorkerConnections(config.queue, (error) => logger.warn({ err: error }, 'queue connection failed')),
        },
        {
          provide: BatchWork,
          useFactory: (connections: WorkerConnections) => new BatchWork(connections),
          inject: [WorkerConnections],
        },
        {
          provide: DatasetThreads,
          useFactory: () =>
            new DatasetThreads(
              { storage: config.storage, s3: config.s3, datasetRoots: config.datasetRoots },
              chunkSlots(config.runtime.threads),
            ),
        },
        RunStatistics,
        ServedModels,
        InferenceProcessor,
        RegistrationProcessor,
        ChunkProcessor,
        BatchResults,
        BatchPlanner,
        BatchMaintenance,
        WebhookProcessor,
        WorkerConsumers,
        WorkerService,
      ],
    };
  }
}
