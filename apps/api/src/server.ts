import 'reflect-metadata';
import fastifyCompress from '@fastify/compress';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger, Telemetry } from '@sconce/telemetry';
import { ApiModule } from './api.module.ts';
import { installAccess } from './access/install-access.ts';
import { KeyRing } from './access/key-ring.ts';
import type { ApiConfig } from './config.ts';
import { installDocuments } from './documents/install-documents.ts';
import { installBodyParser } from './http/body-parser.ts';
import { installRequestTrace } from './http/request-trace.ts';

/** Smaller answers cost more to compress than to send. */
const COMPRESS_THRESHOLD_BYTES = 2_048;
const MAX_PARAM_LENGTH = 300;
const KEEP_ALIVE_MS = 75_000;

/** Builds the API, ready to listen. From when `isDraining` says so, connections are closed with their next answer. */
export async function createApi(given: {
  config: ApiConfig;
  logger: Logger;
  telemetry: Telemetry;
  isDraining?: () => boolean;
}): Promise<NestFastifyApplication> {
  const { config, logger, telemetry } = given;
  const adapter = new FastifyAdapter({
    // Our body parser bounds requests; uploads are bounded where they are stored.
    bodyLimit: Number.MAX_SAFE_INTEGER,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Requests under way finish; idle connections do not hold a shutdown up.
    forceCloseConnections: 'idle',
    // What came over a connection that was just about to be closed is answered like any other.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH },
  });
  const fastify = adapter.getInstance();
  installRequestTrace(fastify, telemetry);
  const ring = config.keysFile === undefined ? undefined : await KeyRing.open(config.keysFile, logger);
  installAccess(fastify, { ring, logger });
  const { isDraining = () => false } = given;
  // A connection that answers while the server drains is closed with it, not kept for another request.
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (isDraining()) reply.header('connection', 'close');
    done();
  });
  const app = await NestFactory.create<NestFastifyApplication>(ApiModule.register(given), adapter, {
    bodyParser: false,
    logger: ['error', 'fatal'],
  });
  // Requests come compressed as clients like (deflate is zlib's framing); answers only as the protocol's clients ask.
  await app.register(fastifyCompress, {
    encodings: ['gzip', 'deflate'],
    requestEncodings: ['gzip', 'deflate', 'identity'],
    threshold: COMPRESS_THRESHOLD_BYTES,
    customTypes: /^application\/(json|octet-stream)(;|$)/,
  });
  installBodyParser(fastify, { maxBytes: config.maxBodyBytes });
  fastify.get('/metrics', async (_request, reply) => {
    reply.hijack();
    await telemetry.handleMetricsRequest(_request.raw, reply.raw);
  });
  installDocuments(fastify);
  return app;
}
