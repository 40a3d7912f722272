import type { FastifyInstance, FastifyReply } from 'fastify';
import { repositoryIndexRequestSchema } from '@sconce/contracts';
import { toModelVersion, type ModelRepository } from '@sconce/models';
import { publishedDocument } from '../documents/published-documents.ts';
import { parseJsonBody } from '../http/json-body.ts';
import { listModel, listVersions } from '../models/model-listing.ts';
import type { ProtocolModels } from '../models/protocol-models.ts';
import { serverMetadata } from '../models/server-metadata.ts';
import { repositoryIndex } from '../repository/repository-index.ts';
import { traceOf } from '../traces/trace-resource.ts';

export interface ReadRoutesOptions {
  readonly repository: ModelRepository;
  readonly models: ProtocolModels;
  readonly traceUrl: string | undefined;
  /** Whether a request that is sent now is accepted. */
  readonly isReady: () => boolean;
}

interface OfVersion {
  Params: { readonly model: string; readonly version?: string };
}

/** The routes that show the server and its models. */
export function installReadRoutes(fastify: FastifyInstance, options: ReadRoutesOptions): void {
  const { repository, models, traceUrl, isReady } = options;
  fastify.get('/v2', () => serverMetadata({ repository: false }));
  fastify.get('/v2/health/live', () => ({ live: true }));
  fastify.get('/v2/health/ready', (_request, reply) => withStatus(reply, { live: true, ready: isReady() }));
  fastify.get('/v2/models/stats', () => models.allStats());
  for (const url of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    fastify.get<OfVersion>(url, ({ params: { model, version } }) => models.metadata(model, version));
    fastify.get<OfVersion>(`${url}/config`, ({ params: { model, version } }) => models.config(model, version));
    fastify.get<OfVersion>(`${url}/stats`, ({ params: { model, version } }) => models.stats(model, version));
    fastify.get<OfVersion>(`${url}/ready`, async ({ params: { model, version } }, reply) =>
      withStatus(reply, await models.ready(model, version)),
    );
  }
  fastify.post('/v2/repository/index', ({ body }) =>
    repositoryIndex(repository, parseJsonBody(body, repositoryIndexRequestSchema)),
  );
  fastify.get('/v1/models', async () => ({ object: 'list', data: await listVersions(repository) }));
  fastify.get<OfVersion>('/v1/models/:model', ({ params }) => listModel(repository, params.model));
  fastify.get<OfVersion>('/v1/models/:model/versions/:version', async ({ params: { model, version } }) =>
    toModelVersion(await repository.get(model, version)),
  );
  fastify.get('/v1/model-config.schema.json', async (_request, reply) =>
    reply.type('application/schema+json; charset=utf-8').send(await publishedDocument('model-config-schema')),
  );
  fastify.get<{ Params: { readonly id: string } }>('/v1/traces/:id', ({ params }) => traceOf(params.id, traceUrl));
}

/** 503 if the answer says that something is not ready. */
function withStatus<T extends { readonly ready: boolean }>(reply: FastifyReply, answer: T): T {
  if (!answer.ready) void reply.status(503);
  return answer;
}
