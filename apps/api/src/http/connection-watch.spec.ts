import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fastifyFactory, { type FastifyInstance } from 'fastify';
import type { Readable } from 'node:stream';
import { Writable } from 'node:stream';
import { afterAll, expect, it } from 'vitest';
import { createLogger } from '@sconce/telemetry';
import { STREAM_BODY, TENSOR_BODY, installBodyParser } from './body-parser.ts';
import { installCompression } from './compression.ts';
import { installConnectionWatch } from './connection-watch.ts';
import { answerError } from './error-answer.ts';
import { HeldBytes } from './held-bytes.ts';

const TIMEOUT_MS = 300;
const logger = createLogger({ service: 'api', level: 'fatal', destination: new Writable() });
const fastify: FastifyInstance = fastifyFactory({ bodyLimit: Number.MAX_SAFE_INTEGER });
installConnectionWatch(fastify, { timeoutMs: TIMEOUT_MS });
await installCompression(fastify);
installBodyParser(fastify, { maxBytes: 100_000_000, held: new HeldBytes(Infinity) });
fastify.setErrorHandler((thrown, request, reply) => answerError({ request, reply, thrown }, logger));
fastify.post('/body', { config: TENSOR_BODY }, (request) => ({ bytes: (request.body as Buffer).length }));
fastify.post('/stream', { config: STREAM_BODY }, async (request) => {
  let bytes = 0;
  const chunks = (request.body as Readable).iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const chunk of chunks) bytes += chunk.length;
  return { bytes };
});
fastify.post('/slow-store', { config: STREAM_BODY }, async (request) => {
  await delay(4 * TIMEOUT_MS);
  let bytes = 0;
  for await (const chunk of request.body as AsyncIterable<Buffer>) bytes += chunk.length;
  return { bytes };
});
fastify.post('/slow-run', { config: TENSOR_BODY }, async () => {
  await delay(4 * TIMEOUT_MS);
  return { ran: true };
});
fastify.get('/large', async () => Buffer.alloc(50_000_000));
await fastify.listen({ port: 0, host: '127.0.0.1' });
afterAll(() => fastify.close());
const { port } = fastify.server.address() as { port: number };

async function open(text = ''): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

/** Everything that comes until the connection is closed. */
async function rest(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  if (!socket.closed) await once(socket, 'close');
  return text;
}

const head = (path: string, length: number, more = ''): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\ncontent-length: ${length}\r\n${more}\r\n`;

it.each(['/body', '/stream'])('a body to %s that stops gets 408, and its connection is closed', async (path) => {
  const answer = await rest(await open(`${head(path, 1_000)}only this`));
  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  expect(answer).toMatch(/request_timeout/);
  expect(answer).toMatch(/less than 16384 bytes in 300 ms.*SCONCE_TRANSFER_TIMEOUT_MS/);
});

it('a body that drips gets 408', async () => {
  const socket = await open(head('/body', 1_000));
  const drip = setInterval(() => socket.write('a'), 20);
  expect(await rest(socket)).toMatch(/^HTTP\/1\.1 408 /);
  clearInterval(drip);
});

it('a compressed body that stops gets 408', async () => {
  const body = gzipSync(Buffer.alloc(100_000, 'abc'));
  const socket = await open(head('/body', body.length, 'content-encoding: gzip\r\n'));
  socket.write(body.subarray(0, 20));
  expect(await rest(socket)).toMatch(/^HTTP\/1\.1 408 /);
});

it.each(['', 'POST /body HT'])('a connection that sends "%s" and no more is closed', async (text) => {
  await rest(await open(text));
});

it('a caller that does not take its answer loses its connection', async () => {
  const socket = await open('GET /large HTTP/1.1\r\nhost: x\r\n\r\n');
  socket.pause();
  await expect
    .poll(() => new Promise((resolve) => fastify.server.getConnections((_e, n) => resolve(n))), { timeout: 10_000 })
    .toBe(0);
  socket.destroy();
});

it('a body that comes steadily, a slow reader of the server, and a slow run are left alone', async () => {
  const steady = await open(head('/body', 400_000));
  const feeding = (async (): Promise<void> => {
    for (let sent = 0; sent < 400_000; sent += 20_000) {
      steady.write(Buffer.alloc(20_000));
      await delay(TIMEOUT_MS / 8);
    }
  })();
  const post = async (path: string): Promise<unknown> =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body: Buffer.alloc(5_000_000) })).json();
  const [answer, stored, ran] = await Promise.all([
    once(steady, 'data'),
    post('/slow-store'),
    post('/slow-run'),
    feeding,
  ]);
  expect(String(answer[0])).toMatch(/"bytes":400000/);
  expect(stored).toEqual({ bytes: 5_000_000 });
  expect(ran).toEqual({ ran: true });
  steady.destroy();
});
