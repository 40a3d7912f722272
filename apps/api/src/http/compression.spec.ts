import fastifyFactory, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROUTES } from '@sconce/contracts/routes';
import { installCompression } from './compression.ts';

const LARGE = JSON.stringify({ text: 'x'.repeat(10_000) });

/** Routes of the API, each with a large answer. */
let fastify: FastifyInstance;
beforeAll(async () => {
  fastify = fastifyFactory();
  await installCompression(fastify);
  for (const { path, method } of ROUTES) {
    const url = path.replaceAll(/\{(\w+)\}/g, ':$1');
    fastify.route({ method, url, handler: (_request, reply) => reply.type('application/json').send(LARGE) });
  }
});
afterAll(() => fastify.close());

it.each<['GET' | 'POST', string, string | undefined]>([
  ['GET', '/v1/models', 'gzip'],
  ['GET', '/v2/models/m', 'gzip'],
  ['GET', '/v1/jobs/j', 'gzip'],
  // Answers with tensors.
  ['POST', '/v2/models/m/infer', undefined],
  ['POST', '/v2/models/m/versions/1/infer', undefined],
  ['GET', '/v1/jobs/j/result', undefined],
  // Answers that the asynchronous tritonclient reads.
  ['GET', '/v2/models/stats', undefined],
  ['GET', '/v2/models/m/stats', undefined],
  ['GET', '/v2/models/m/versions/1/stats', undefined],
  ['POST', '/v2/repository/index', undefined],
])('%s %s has the encoding %s', async (method, url, encoding) => {
  const { headers } = await fastify.inject({ method, url, headers: { 'accept-encoding': 'gzip' } });
  expect(headers['content-encoding']).toBe(encoding);
});
