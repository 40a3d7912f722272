import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ModelDirectory, ModelRepository } from '@sconce/models';
import { BatchProducer, InferenceProducer, checkWebhookUrl } from '@sconce/queue';
import { openBlobStore, type BlobStore } from '@sconce/storage';
import type { Logger, Telemetry } from '@sconce/telemetry';
import { BatchDryRuns } from './batches/batch-dry-runs.ts';
import { BatchOutput } from './batches/batch-output.ts';
import { checkDatasetUrl } from './batches/dataset-url.ts';
import { BatchesController } from './batches/batches.controller.ts';
import type { ApiConfig } from './config.ts';
import { FileContents } from './files/file-contents.ts';
import { FilesController } from './files/files.controller.ts';
import { HealthController } from './health/health.controller.ts';
import { observeQueues } from './health/observe-queues.ts';
import { EventStreams } from './http/event-streams.ts';
import { ErrorFilter } from './http/error.filter.ts';
import { InferenceService } from './inference/inference.service.ts';
import { RequestDecoder } from './inference/request-decoder.ts';
import { JobsController } from './jobs/jobs.controller.ts';
import { ModelStateController } from './models/model-state.controller.ts';
import { ModelConfigSchemaController } from './models/model-config-schema.controller.ts';
import { ModelsController } from './models/models.controller.ts';
import { observeModels } from './models/observe-models.ts';
import { ProtocolModelsController } from './models/protocol-models.controller.ts';
import { ProtocolModels } from './models/protocol-models.ts';
import { RegistrationRecovery } from './models/registration-recovery.ts';
import { ServerController } from './models/server.controller.ts';
import { VersionRemoval } from './models/version-removal.ts';
import { ModelLoading } from './repository/model-loading.ts';
import { RepositoryController } from './repository/repository.controller.ts';
import { BLOB_STORE, CONFIG, LOGGER, TELEMETRY } from './tokens.ts';
import { TracesController } from './traces/traces.controller.ts';

/** Composes the libraries into the API. Injection tokens are explicit, so no type metadata needs to be emitted. */
@Module({})
export class ApiModule {
  static register(given: { config: ApiConfig; logger: Logger; telemetry: Telemetry }): DynamicModule {
    const { config, logger, telemetry } = given;
    return {
      module: ApiModule,
      controllers: [
        HealthController,
        ServerController,
        ProtocolModelsController,
        RepositoryController,
        ModelsController,
        ModelConfigSchemaController,
        ModelStateController,
        JobsController,
        FilesController,
        BatchesController,
        TracesController,
      ],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: TELEMETRY, useValue: telemetry },
        { provide: APP_FILTER, useFactory: () => new ErrorFilter(logger) },
        { provide: BLOB_STORE, useFactory: () => openBlobStore(config.storage) },
        {
          provide: ModelRepository,
          useFactory: (store: BlobStore) => {
            const repository = new ModelRepository({
              store,
              onCorrupt: (error, id) => logger.error({ err: error, ...id }, 'a damaged model is left out'),
            });
            observeModels(telemetry.metrics, repository, (error) => {
              logger.warn({ err: error }, 'the states of the models could not be read for the metrics');
            });
            return repository;
          },
          inject: [BLOB_STORE],
        },
        {
          provide: ModelDirectory,
          useFactory: (repository: ModelRepository) => new ModelDirectory({ repository }),
          inject: [ModelRepository],
        },
        {
          provide: InferenceProducer,
          useFactory: (store: BlobStore) => {
            const producer = new InferenceProducer(config.queue, {
              store,
              onError: (error) => logger.warn({ err: error }, 'the queue connection failed'),
              onLateReply: () => telemetry.metrics.replyMisses.add(1, {}),
            });
            observeQueues(telemetry.metrics, producer);
            return producer;
          },
          inject: [BLOB_STORE],
        },
        {
          provide: BatchProducer,
          useFactory: (store: BlobStore, inference: InferenceService) =>
            new BatchProducer({
              config: config.queue,
              store,
              models: async (name, version) => inference.servedModel(name, version),
              checkWebhookUrl: (url) => checkWebhookUrl(url, { allowPrivate: config.webhookAllowPrivate }),
              checkInputUrl: (url) => checkDatasetUrl(url, config.datasetRoots),
              maxFileBytes: config.maxFileBytes,
              onError: (error) => logger.warn({ err: error }, 'the batch connection failed'),
            }),
          inject: [BLOB_STORE, InferenceService],
        },
        {
          provide: ProtocolModels,
          useFactory: (directory: ModelDirectory, repository: ModelRepository, producer: InferenceProducer) =>
            new ProtocolModels({
              directory,
              repository,
              statistics: (model, version) => producer.statistics(model, version),
            }),
          inject: [ModelDirectory, ModelRepository, InferenceProducer],
        },
        {
          provide: ModelLoading,
          useFactory: (repository: ModelRepository, directory: ModelDirectory, producer: InferenceProducer) =>
            new ModelLoading({ repository, directory, producer }),
          inject: [ModelRepository, ModelDirectory, InferenceProducer],
        },
        { provide: RequestDecoder, useValue: new RequestDecoder(config.budget) },
        InferenceService,
        FileContents,
        BatchDryRuns,
        BatchOutput,
        EventStreams,
        RegistrationRecovery,
        VersionRemoval,
      ],
    };
  }
}
