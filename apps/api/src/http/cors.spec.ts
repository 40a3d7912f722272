import createFastify from 'fastify';
import { expect, it } from 'vitest';
import { installCors } from './cors.ts';

const ORIGIN = 'https://app.example';

it.each([
  ['no origin is named', [], undefined],
  ['it is named', [ORIGIN], ORIGIN],
  ['another is named', ['https://app.example:8443'], undefined],
  ['all may', ['*'], '*'],
])('a page reads an answer that Node wrote only if it may: %s', async (_what, origins, expected) => {
  const fastify = createFastify();
  installCors(fastify, origins);
  fastify.get('/', (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, ['content-type', 'text/event-stream']);
    reply.raw.end('data: 1');
  });
  const { headers, body } = await fastify.inject({ url: '/', headers: { origin: ORIGIN } });
  expect(headers['access-control-allow-origin']).toBe(expected);
  expect([headers['content-type'], body]).toEqual(['text/event-stream', 'data: 1']);
});

it('a caller that is no page gets no such headers', async () => {
  const fastify = createFastify();
  installCors(fastify, [ORIGIN]);
  fastify.get('/', () => ({}));
  const { headers } = await fastify.inject({ url: '/' });
  expect(headers).not.toHaveProperty('access-control-allow-origin');
  expect(headers['vary']).toBe('Origin');
});

it.each(['app.example', 'https://app.example/', 'https://app.example/page', 'null', 'https://*.example'])(
  'refuses %s at the start',
  (origin) => {
    expect(() => installCors(createFastify(), [origin])).toThrow(`"${origin}" is no origin`);
  },
);
