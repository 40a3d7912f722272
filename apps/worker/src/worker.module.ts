import { Module, type DynamicModule } from '@nestjs/common';
import type { BudgetLimit } from '@sconce/contracts';
import { BUDGET_SETTINGS } from '@sconce/errors';
import { ModelDirectory, ModelFiles, ModelRepository } from '@sconce/models';
import { BatchWork, ModelStatisticsWriter, SuspectKinds, WorkerConnections } from '@sconce/queue';
import { InferencePool, MicroBatcher, SacrificialRunner, SuspectQueue } from '@sconce/runtime';
import {
  GuardedRuns,
  InferenceProcessor,
  ModelRegistration,
  RunStatistics,
  ServedModels,
  type SuspectKindStore,
} from '@sconce/serving';
import { openBlobStore, type BlobStore } from '@sconce/storage';
import type { Logger, Telemetry } from '@sconce/telemetry';
import { BatchMaintenance } from './batches/batch-maintenance.ts';
import { BatchPlanner } from './batches/batch-planner.ts';
import { BatchResults } from './batches/batch-results.ts';
import { ChunkProcessor, chunkSlots } from './batches/chunk.processor.ts';
import { DatasetThreads } from './batches/dataset-threads.ts';
import type { WorkerConfig } from './config.ts';
import { RegistrationProcessor } from './registration/registration.processor.ts';
import { BLOB_STORE, CONFIG, LOGGER, TELEMETRY } from './tokens.ts';
import { WebhookProcessor } from './webhooks/webhook.processor.ts';
import { WorkerConsumers } from './worker-consumers.ts';
import { WorkerService } from './worker.service.ts';

/** Composes the libraries into a worker. Injection tokens are explicit, so no emitted type metadata is needed. */
@Module({})
export class WorkerModule {
  static register(given: { config: WorkerConfig; logger: Logger; telemetry: Telemetry }): DynamicModule {
    const { config, logger, telemetry } = given;
    return {
      module: WorkerModule,
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: TELEMETRY, useValue: telemetry },
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
              { storage: config.storage, s3: config.s3, datasetRoots: config.datasetRoots, limits: config.datasets },
              chunkSlots(config.runtime.threads),
            ),
        },
        {
          provide: ModelStatisticsWriter,
          useFactory: (connections: WorkerConnections) => new ModelStatisticsWriter(connections),
          inject: [WorkerConnections],
        },
        {
          provide: RunStatistics,
          useFactory: (totals: ModelStatisticsWriter) => new RunStatistics({ telemetry, totals }),
          inject: [ModelStatisticsWriter],
        },
        {
          provide: ModelRegistration,
          useFactory: (repository: ModelRepository, files: ModelFiles) =>
            new ModelRegistration({ limits: config.registration, repository, files, logger }),
          inject: [ModelRepository, ModelFiles],
        },
        {
          provide: ServedModels,
          useFactory: (
            repository: ModelRepository,
            files: ModelFiles,
            directory: ModelDirectory,
            pool: InferencePool,
            registration: ModelRegistration,
          ) =>
            new ServedModels({
              repository,
              files,
              directory,
              pool,
              registration,
              runtime: config.runtime,
              budget: config.budget,
              logger,
            }),
          inject: [ModelRepository, ModelFiles, ModelDirectory, InferencePool, ModelRegistration],
        },
        {
          provide: InferenceProcessor,
          useFactory: (models: ServedModels, runs: GuardedRuns, statistics: RunStatistics) =>
            new InferenceProcessor({ models, runs, statistics, telemetry, logger }),
          inject: [ServedModels, GuardedRuns, RunStatistics],
        },
        {
          provide: SacrificialRunner,
          useFactory: (pool: InferencePool, statistics: RunStatistics) =>
            new SacrificialRunner({
              config: config.runtime,
              memory: runMemoryLimit(config),
              verify: (file) => pool.verify(file),
              onEnd: (model, cause) => statistics.recordSacrifice(model, cause),
            }),
          inject: [InferencePool, RunStatistics],
        },
        {
          provide: GuardedRuns,
          useFactory: (
            batcher: MicroBatcher,
            runner: SacrificialRunner,
            connections: WorkerConnections,
            models: ServedModels,
            statistics: RunStatistics,
          ) => {
            const { maxWaiting } = config.runtime;
            return new GuardedRuns({
              batcher,
              alone: new SuspectQueue({
                runner,
                maxWaiting,
                onRun: (run) => {
                  statistics.recordRun(run);
                  batcher.learn(run);
                },
              }),
              kinds: suspectKinds(connections),
              onAlone: (model, outcome) => statistics.recordAlone(model, outcome),
              whenGone: ({ model }, error) => models.whyGone(model.name, error),
              onUnloadable: (model, version, why) => {
                models
                  .quarantine(model, version, why)
                  .then(() => connections.notify({ kind: 'unload', model, version }))
                  .catch((err: unknown) =>
                    logger.error({ err, model, version }, 'the version was not put in quarantine'),
                  );
              },
              logger,
            });
          },
          inject: [MicroBatcher, SacrificialRunner, WorkerConnections, ServedModels, RunStatistics],
        },
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

/** What a run in the sacrificial process may take, if its model's config does not say less. */
function runMemoryLimit({ budget }: WorkerConfig): BudgetLimit {
  const { run_memory_bytes: limit = Infinity } = budget;
  return { limit, setting: BUDGET_SETTINGS.run_memory_bytes };
}

/** The kinds in Redis; other workers read them again when one is added. */
function suspectKinds(connections: WorkerConnections): SuspectKindStore {
  const kinds = new SuspectKinds({ redis: connections.patient, keys: connections.keys });
  return {
    all: () => kinds.all(),
    add: async (kind) => {
      await kinds.add(kind);
      await connections.notify({ kind: 'suspects' });
    },
  };
}
