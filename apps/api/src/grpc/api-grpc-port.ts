import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ModelDirectory, ModelRepository } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import type { Logger, Telemetry } from '@sconce/telemetry';
import type { ApiConfig } from '../config.ts';
import { OnlineInference } from '../inference/online-inference.ts';
import { RequestDecoder } from '../inference/request-decoder.ts';
import { ProtocolModels } from '../models/protocol-models.ts';
import { serverMetadata } from '../models/server-metadata.ts';
import { ModelLoading } from '../repository/model-loading.ts';
import { repositoryIndex } from '../repository/repository-index.ts';
import { GrpcPort } from './grpc-port.ts';

/** The gRPC port of the API, ready to listen; undefined if it is off. It does what the routes of HTTP do, with the same keys and limits. */
export function apiGrpcPort(
  app: NestFastifyApplication,
  given: {
    readonly config: ApiConfig;
    readonly telemetry: Telemetry;
    readonly logger: Logger;
    readonly isDraining: () => boolean;
  },
): GrpcPort | undefined {
  const { config, telemetry, logger, isDraining } = given;
  if (config.grpc === undefined) return undefined;
  const { access, heldBytes: held } = app.getHttpAdapter().getInstance();
  const producer = app.get(InferenceProducer);
  const repository = app.get(ModelRepository);
  const loading = app.get(ModelLoading);
  return new GrpcPort({
    services: {
      access,
      held,
      inference: new OnlineInference({
        directory: app.get(ModelDirectory),
        decoder: app.get(RequestDecoder),
        port: producer,
        totals: producer.versions,
        telemetry,
        requestTimeoutMs: config.requestTimeoutMs,
      }),
      models: app.get(ProtocolModels),
      metadata: serverMetadata({ repository: true }),
      index: (options) => repositoryIndex(repository, options),
      load: (model, parameters) => loading.load(model, parameters),
      unload: (model, parameters) => loading.unload(model, parameters),
      isReady: async () => !isDraining() && (await producer.ping()),
      telemetry,
      logger,
    },
    limits: { maxBodyBytes: config.maxBodyBytes, transferTimeoutMs: config.transferTimeoutMs },
    tls: config.grpc.tls,
    logger,
  });
}
