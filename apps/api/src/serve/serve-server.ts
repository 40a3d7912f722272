import createFastify, { type FastifyInstance } from 'fastify';
import type { LocalModels, LocalRunner, LocalStatistics } from '@sconce/serving';
import type { Logger, Telemetry } from '@sconce/telemetry';
import { installAccess } from '../access/install-access.ts';
import { KeyRing } from '../access/key-ring.ts';
import { installDocuments } from '../documents/install-documents.ts';
import { installBodyParser } from '../http/body-parser.ts';
import { installCompression } from '../http/compression.ts';
import { answerError } from '../http/error-answer.ts';
import { installCors } from '../http/cors.ts';
import { installExpectContinue } from '../http/expect-continue.ts';
import { fastifyOptions } from '../http/fastify-options.ts';
import { installConnectionWatch } from '../http/connection-watch.ts';
import { installDraining } from '../http/draining.ts';
import { HeldBytes } from '../http/held-bytes.ts';
import { installRequestParts } from '../http/request-parts.ts';
import { installRequestTrace } from '../http/request-trace.ts';
import { installRouteMethods, noRoute } from '../http/route-methods.ts';
import { installInferRoutes } from '../inference/infer.route.ts';
import { RequestDecoder } from '../inference/request-decoder.ts';
import { ProtocolModels } from '../models/protocol-models.ts';
import type { ServeConfig } from './config.ts';
import { installReadRoutes } from './read-routes.ts';
import { DURABLE_REQUESTS, installRefusedRoutes } from './refused-routes.ts';

export interface ServeServerOptions {
  readonly config: Pick<
    ServeConfig,
    | 'budget'
    | 'corsOrigins'
    | 'keysFile'
    | 'maxBodyBytes'
    | 'maxHeldBytes'
    | 'requestTimeoutMs'
    | 'transferTimeoutMs'
    | 'traceUrl'
  >;
  readonly models: Pick<LocalModels, 'directory' | 'repository'>;
  readonly runner: LocalRunner;
  readonly statistics: LocalStatistics;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** While it returns true, the server is not ready and each answer closes its connection. */
  readonly isDraining: () => boolean;
}

/** The HTTP surface of `sconce serve`, ready to listen: the routes of the API that need no Redis. */
export async function createServeServer(options: ServeServerOptions): Promise<FastifyInstance> {
  const { config, models, runner, statistics, logger, telemetry, isDraining } = options;
  const { directory, repository } = models;
  const fastify = createFastify(fastifyOptions(logger));
  installRouteMethods(fastify);
  installRequestParts(fastify);
  installExpectContinue(fastify);
  installRequestTrace(fastify, telemetry);
  installCors(fastify, config.corsOrigins);
  const ring = config.keysFile === undefined ? undefined : await KeyRing.open(config.keysFile, logger);
  installAccess(fastify, { ring, logger });
  installDraining(fastify, isDraining);
  installConnectionWatch(fastify, { timeoutMs: config.transferTimeoutMs });
  await installCompression(fastify);
  installBodyParser(fastify, { maxBytes: config.maxBodyBytes, held: new HeldBytes(config.maxHeldBytes) });
  fastify.setErrorHandler((thrown, request, reply) => answerError({ request, reply, thrown }, logger));
  fastify.setNotFoundHandler((request, reply) => {
    answerError({ request, reply, thrown: noRoute(request) }, logger);
  });
  installReadRoutes(fastify, {
    repository,
    models: new ProtocolModels({
      directory,
      repository,
      statistics: (model, version) => statistics.read(model, version),
    }),
    traceUrl: config.traceUrl,
    isReady: () => !isDraining(),
  });
  installInferRoutes(fastify, {
    directory,
    decoder: new RequestDecoder(config.budget),
    port: runner,
    totals: statistics,
    jobs: DURABLE_REQUESTS,
    telemetry,
    logger,
    requestTimeoutMs: config.requestTimeoutMs,
  });
  installRefusedRoutes(fastify);
  fastify.get('/metrics', async (request, reply) => {
    reply.hijack();
    await telemetry.handleMetricsRequest(request.raw, reply.raw);
  });
  installDocuments(fastify);
  return fastify;
}
