import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { ModelDirectory } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import type { Logger, Telemetry } from '@sconce/telemetry';
import { ApiModule } from './api.module.ts';
import { installAccess } from './access/install-access.ts';
import { KeyRing } from './access/key-ring.ts';
import type { ApiConfig } from './config.ts';
import { installDocuments } from './documents/install-documents.ts';
import { installBodyParser } from './http/body-parser.ts';
import { installCompression } from './http/compression.ts';
import { installConnectionWatch } from './http/connection-watch.ts';
import { installCors } from './http/cors.ts';
import { installDraining } from './http/draining.ts';
import { installExpectContinue } from './http/expect-continue.ts';
import { fastifyOptions } from './http/fastify-options.ts';
import { HeldBytes } from './http/held-bytes.ts';
import { installRequestParts } from './http/request-parts.ts';
import { installRequestTrace } from './http/request-trace.ts';
import { installRouteMethods } from './http/route-methods.ts';
import { relayMetrics } from './processes/local-http.ts';
import { installInferRoutes } from './inference/infer.route.ts';
import { InferenceService } from './inference/inference.service.ts';
import { RequestDecoder } from './inference/request-decoder.ts';

/** Builds the API, ready to listen. While `isDraining` returns true, each answer closes its connection. */
export async function createApi(given: {
  config: ApiConfig;
  logger: Logger;
  telemetry: Telemetry;
  /** Address of the metrics of all API processes, if this is one of several on the port. */
  allMetricsUrl?: string | undefined;
  isDraining?: () => boolean;
}): Promise<NestFastifyApplication> {
  const { config, logger, telemetry, allMetricsUrl, isDraining = () => false } = given;
  const adapter = new FastifyAdapter(fastifyOptions(logger));
  const fastify = adapter.getInstance();
  installRouteMethods(fastify);
  installRequestParts(fastify);
  installExpectContinue(fastify);
  installRequestTrace(fastify, telemetry);
  installCors(fastify, config.corsOrigins);
  const ring = config.keysFile === undefined ? undefined : await KeyRing.open(config.keysFile, logger);
  installAccess(fastify, { ring, logger });
  installDraining(fastify, isDraining);
  installConnectionWatch(fastify, { timeoutMs: config.transferTimeoutMs });
  const app = await NestFactory.create<NestFastifyApplication>(ApiModule.register(given), adapter, {
    bodyParser: false,
    logger: ['error', 'fatal'],
  });
  await installCompression(fastify);
  installBodyParser(fastify, { maxBytes: config.maxBodyBytes, held: new HeldBytes(config.maxHeldBytes) });
  fastify.get('/metrics', async (request, reply) => {
    reply.hijack();
    if (allMetricsUrl === undefined) await telemetry.handleMetricsRequest(request.raw, reply.raw);
    else await relayMetrics(allMetricsUrl, request.raw, reply.raw);
  });
  installInferRoutes(fastify, {
    directory: app.get(ModelDirectory),
    decoder: app.get(RequestDecoder),
    port: app.get(InferenceProducer),
    totals: app.get(InferenceProducer).versions,
    jobs: app.get(InferenceService),
    telemetry,
    logger,
    requestTimeoutMs: config.requestTimeoutMs,
  });
  installDocuments(fastify);
  return app;
}
