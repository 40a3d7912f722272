import type { FastifyInstance } from 'fastify';
import { SconceError } from '@sconce/errors';
import { GrpcPort } from '../grpc/grpc-port.ts';
import type { GrpcTls } from '../grpc/grpc-server.ts';
import { OnlineInference } from '../inference/online-inference.ts';
import { RequestDecoder } from '../inference/request-decoder.ts';
import { ProtocolModels } from '../models/protocol-models.ts';
import { serverMetadata } from '../models/server-metadata.ts';
import { repositoryIndex } from '../repository/repository-index.ts';
import { MODELS_ARE_FIXED } from './refused-routes.ts';
import type { ServeServerOptions } from './serve-server.ts';

/** The gRPC port of `sconce serve`, ready to listen. It does what the routes of HTTP do, with the same keys and limits. */
export function serveGrpcPort(
  server: FastifyInstance,
  options: ServeServerOptions,
  tls: GrpcTls | undefined,
): GrpcPort {
  const { config, models, runner, statistics, telemetry, logger, isDraining } = options;
  const { directory, repository } = models;
  const refuse = (): Promise<never> => Promise.reject(new SconceError('unsupported', MODELS_ARE_FIXED));
  return new GrpcPort({
    services: {
      access: server.access,
      held: server.heldBytes,
      inference: new OnlineInference({
        directory,
        decoder: new RequestDecoder(config.budget),
        port: runner,
        totals: statistics,
        telemetry,
        requestTimeoutMs: config.requestTimeoutMs,
      }),
      models: new ProtocolModels({
        directory,
        repository,
        statistics: (model, version) => statistics.read(model, version),
      }),
      metadata: serverMetadata({ repository: false }),
      index: (asked) => repositoryIndex(repository, asked),
      load: refuse,
      unload: refuse,
      isReady: () => !isDraining(),
      telemetry,
      logger,
    },
    limits: { maxBodyBytes: config.maxBodyBytes, transferTimeoutMs: config.transferTimeoutMs },
    tls,
    logger,
  });
}
