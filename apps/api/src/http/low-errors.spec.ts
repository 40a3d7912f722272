import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import createFastify from 'fastify';
import { afterAll, describe, expect, it } from 'vitest';
import { createLogger } from '@sconce/telemetry';
import { STREAM_BODY, TENSOR_BODY, installBodyParser } from './body-parser.ts';
import { answerError } from './error-answer.ts';
import { installExpectContinue } from './expect-continue.ts';
import { fastifyOptions } from './fastify-options.ts';
import { HeldBytes } from './held-bytes.ts';
import { installRouteMethods, noRoute } from './route-methods.ts';

// Errors of the layers below the routes: each has the form of the API that its URL names.

const MAX_BYTES = 2_000_000;
const logger = createLogger({ service: 'api', level: 'error', destination: new Writable() });
const fastify = createFastify(fastifyOptions(logger));
installRouteMethods(fastify);
installExpectContinue(fastify);
fastify.setErrorHandler((thrown, request, reply) => answerError({ request, reply, thrown }, logger));
fastify.setNotFoundHandler((request, reply) => answerError({ request, reply, thrown: noRoute(request) }, logger));
installBodyParser(fastify, { maxBytes: MAX_BYTES, held: new HeldBytes(Infinity) });
const length = (body: unknown): { bytes: number } => ({ bytes: (body as Buffer).length });
fastify.post('/v2/models/:model/infer', { config: TENSOR_BODY }, (request) => length(request.body));
fastify.post('/v1/small', (request) => length(request.body));
fastify.put('/v1/stream', { config: STREAM_BODY }, async (request) =>
  length(Buffer.from(await text(request.body as NodeJS.ReadableStream))),
);
fastify.get('/v1/things/:id', () => ({}));
fastify.delete('/v1/things/:id', () => ({}));
fastify.get('/v1/files/*', () => ({}));
await fastify.listen({ port: 0, host: '127.0.0.1' });
const { port } = fastify.server.address() as { port: number };
afterAll(() => fastify.close());

/** Sends text, and with each text that matches the next of `then`. Gives all that came until the connection closed. */
async function exchange(first: string, then?: { readonly after: RegExp; readonly send: string }): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let got = '';
  let isSent = false;
  socket.on('data', (chunk) => {
    got += chunk.toString();
    if (then === undefined || isSent || !then.after.test(got)) return;
    isSent = true;
    socket.write(then.send);
  });
  socket.write(first);
  await new Promise((resolve) => socket.once('close', resolve));
  return got;
}

const inV1 = (code: string): unknown => ({
  error: expect.objectContaining({ code, message: expect.any(String) as string }),
});
const inV2 = { error: expect.any(String) as string };

/** The status line, the headers and the JSON of the last answer. */
function parsed(got: string): { status: number; head: string; body: unknown } {
  const answer = got.slice(got.lastIndexOf('HTTP/1.1 '));
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { status: Number(head.slice(9, 12)), head, body: JSON.parse(body) as unknown };
}

describe('a method that the path has not', () => {
  it.each([
    ['POST', '/v1/things/7', 'DELETE, GET, HEAD', inV1('method_not_allowed')],
    ['PATCH', '/v1/things/7/', 'DELETE, GET, HEAD', inV1('method_not_allowed')],
    ['GET', '/v2/models/m/infer?x=1', 'POST', inV2],
    ['DELETE', '/v1/files/a/b', 'GET, HEAD', inV1('method_not_allowed')],
  ])('%s %s gets 405 with Allow', async (method, path, allow, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    expect([response.status, response.headers.get('allow'), await response.json()]).toEqual([405, allow, body]);
  });

  it('a part of a path that is too long is named', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/things/${'x'.repeat(400)}`);
    expect([response.status, await response.json()]).toEqual([400, inV1('invalid_request')]);
  });

  it('an unknown path gets 404', async () => {
    for (const [path, body] of [
      ['/v1/nothing', inV1('not_found')],
      ['/v2/nothing', inV2],
    ] as const) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      expect([response.status, response.headers.get('allow'), await response.json()]).toEqual([404, null, body]);
    }
  });
});

describe('a request that no route sees', () => {
  const long = 'x'.repeat(20_000);
  it.each([
    [
      'a path that cannot be decoded',
      'GET /v2/models/%zz/infer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
      400,
      inV2,
    ],
    [
      'the same of the other API',
      'GET /v1/things/%ff HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
      400,
      inV1('invalid_request'),
    ],
    ['a long URL', `GET /v2/models/${long} HTTP/1.1\r\nhost: a\r\n\r\n`, 431, inV2],
    ['a long header', `GET /v1/things/7 HTTP/1.1\r\nhost: a\r\nx: ${long}\r\n\r\n`, 431, inV1('payload_too_large')],
    ['another protocol', 'HELLO\r\n\r\n', 400, inV1('invalid_request')],
    ['a header that is none', 'GET /v2 HTTP/1.1\r\nhost: a\r\nb@d header\r\n\r\n', 400, inV2],
  ])('%s', async (_what, request, status, body) => {
    const answer = parsed(await exchange(request));
    expect([answer.status, answer.body]).toEqual([status, body]);
    expect(answer.head).toMatch(/content-type: application\/json/);
  });
});

describe('Expect: 100-continue', () => {
  const head = (method: string, path: string, bytes: number): string =>
    `${method} ${path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: ${bytes}\r\n`;

  it.each([
    ['POST', '/v2/models/m/infer', MAX_BYTES + 1, 413, inV2],
    ['POST', '/v1/small', MAX_BYTES, 413, inV1('payload_too_large')],
    ['POST', '/v1/nothing', 5, 404, inV1('not_found')],
    ['POST', '/v1/things/7', 5, 405, inV1('method_not_allowed')],
  ])(
    '%s %s with %i bytes is refused before the body, and the connection closes',
    async (method, path, bytes, status, body) => {
      const got = await exchange(`${head(method, path, bytes)}\r\n`);
      expect(got).not.toContain('100 Continue');
      expect([parsed(got).status, parsed(got).body]).toEqual([status, body]);
    },
  );

  it.each([
    ['POST', '/v2/models/m/infer'],
    ['POST', '/v1/small'],
    ['PUT', '/v1/stream'],
  ])('%s %s asks for the body, and keeps the connection for the next request', async (method, path) => {
    const next = 'GET /v1/things/7 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';
    const got = await exchange(`${head(method, path, 5)}\r\n`, { after: /100 Continue/, send: `hello${next}` });
    expect(got).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK[^]*\{"bytes":5\}HTTP\/1.1 200 OK/);
  });
});
