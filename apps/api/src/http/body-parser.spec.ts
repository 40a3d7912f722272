import { randomBytes } from 'node:crypto';
import { deflateSync, gzipSync } from 'node:zlib';
import fastifyFactory, { type FastifyInstance } from 'fastify';
import { afterAll, describe, expect, it } from 'vitest';
import { STREAM_BODY, TENSOR_BODY, installBodyParser } from './body-parser.ts';
import { SMALL_JSON } from './bounded-json.ts';
import { HeldBytes } from './held-bytes.ts';
import { installCompression } from './compression.ts';

const MAX_BYTES = 4_000_000;
const fastify: FastifyInstance = fastifyFactory({ bodyLimit: Number.MAX_SAFE_INTEGER });
await installCompression(fastify);
installBodyParser(fastify, { maxBytes: MAX_BYTES, held: new HeldBytes(Infinity) });
fastify.setErrorHandler((error: Error & { code?: string }, _request, reply) => {
  void reply.status(400).send({ code: error.code, message: error.message });
});
const hash = (body: unknown): { bytes: number; text: string } => {
  const bytes = (body ?? Buffer.alloc(0)) as Buffer;
  return { bytes: bytes.length, text: bytes.toString('base64').slice(-64) };
};
fastify.post('/tensor', { config: TENSOR_BODY }, (request) => hash(request.body));
fastify.post('/small', (request) => hash(request.body));
fastify.post('/stream', { config: STREAM_BODY }, (request) => ({ isStream: !Buffer.isBuffer(request.body) }));
const url = await fastify.listen({ port: 0, host: '127.0.0.1' });
afterAll(() => fastify.close());

async function post(path: string, body: Buffer | AsyncIterable<Buffer>, headers = {}): Promise<unknown> {
  return (await fetch(url + path, { method: 'POST', headers, body, duplex: 'half' })).json();
}

async function* inChunks(body: Buffer): AsyncGenerator<Buffer> {
  for (let from = 0; from < body.length; from += 30_001) yield body.subarray(from, from + 30_001);
}

describe('a body arrives as it was sent', () => {
  it.each([0, 1, 65_535, 65_536, 131_072, 131_073, 1_000_000, MAX_BYTES])('of %i bytes', async (length) => {
    const body = randomBytes(length);
    expect(await post('/tensor', body)).toEqual(hash(body));
    expect(await post('/tensor', inChunks(body))).toEqual(hash(body));
    expect(await post('/tensor', gzipSync(body), { 'content-encoding': 'gzip' })).toEqual(hash(body));
    expect(await post('/tensor', deflateSync(body), { 'content-encoding': 'deflate' })).toEqual(hash(body));
  });

  it('many at once, which grow side by side', async () => {
    const bodies = Array.from({ length: 12 }, () => randomBytes(900_000));
    const answers = await Promise.all(
      bodies.map((body) => post('/tensor', gzipSync(body), { 'content-encoding': 'gzip' })),
    );
    expect(answers).toEqual(bodies.map(hash));
  });
});

describe('a body that is too large is refused', () => {
  const tooLarge = { code: 'payload_too_large', message: expect.stringMatching(/body_bytes.*allowed are 4000000/) };
  it.each([MAX_BYTES + 1, 3 * MAX_BYTES])('of %i bytes, however it is sent', async (length) => {
    const body = Buffer.alloc(length, 'a');
    expect(await post('/tensor', body)).toEqual(tooLarge);
    expect(await post('/tensor', inChunks(body))).toEqual(tooLarge);
    expect(await post('/tensor', gzipSync(body), { 'content-encoding': 'gzip' })).toEqual(tooLarge);
  });

  it('at a route without tensors', async () => {
    const most = Buffer.alloc(SMALL_JSON.maxBytes, 'a');
    expect(await post('/small', most)).toEqual(hash(most));
    expect(await post('/small', Buffer.alloc(SMALL_JSON.maxBytes + 1))).toEqual({
      code: 'payload_too_large',
      message: expect.stringMatching(/more than 1048576 bytes/),
    });
  });
});

it('an upload stays a stream', async () => {
  expect(await post('/stream', Buffer.from('x'))).toEqual({ isStream: true });
});
