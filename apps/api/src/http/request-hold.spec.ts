import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fastifyFactory, { type FastifyInstance } from 'fastify';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { createLogger } from '@sconce/telemetry';
import { eventually } from '@sconce/testing';
import { TENSOR_BODY, installBodyParser } from './body-parser.ts';
import { installCompression } from './compression.ts';
import { installConnectionWatch } from './connection-watch.ts';
import { answerError } from './error-answer.ts';
import { HeldBytes } from './held-bytes.ts';
import { holdBytes, holdOf } from './request-hold.ts';

// Bodies and answers over real connections, with a bound of 6 MB in all and 3 MB for a body.

const LIMIT = 6_000_000;
const TIMEOUT_MS = 500;
const held = new HeldBytes(LIMIT);
const logger = createLogger({ service: 'api', level: 'fatal', destination: new Writable() });
const fastify: FastifyInstance = fastifyFactory({ bodyLimit: Number.MAX_SAFE_INTEGER });
installConnectionWatch(fastify, { timeoutMs: TIMEOUT_MS });
await installCompression(fastify);
installBodyParser(fastify, { maxBytes: 3_000_000, held });
fastify.setErrorHandler((thrown, request, reply) => answerError({ request, reply, thrown }, logger));
let release = (): void => undefined;
let handled = 0;
fastify.post('/wait', { config: TENSOR_BODY }, async (request) => {
  const bytes = (request.body as Buffer).length;
  handled += 1;
  await new Promise<void>((resolve) => (release = resolve));
  return { bytes, held: holdOf(request)?.bytes ?? 0 };
});
fastify.post('/bytes', { config: TENSOR_BODY }, (request) => ({ bytes: (request.body as Buffer).length }));
fastify.get('/large', (request) => {
  holdBytes(request, 4_000_000);
  // Much more than the system takes at once.
  return Buffer.alloc(50_000_000);
});
await fastify.listen({ port: 0, host: '127.0.0.1' });
afterAll(() => fastify.close());
const { port } = fastify.server.address() as { port: number };

const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await eventually(() => expect(held.bytes).toBe(0));
});

async function open(text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

/** The head of a request whose body is still to come. */
const head = (path: string, length: number): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\ncontent-length: ${length}\r\n\r\n`;

const post = (path: string, body: Buffer, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body });

const expectRefused = async (response: Response): Promise<void> => {
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '1']);
  expect(await response.text()).toMatch(/held_bytes.*allowed are 6000000.*SCONCE_MAX_HELD_BYTES/);
};

describe('a body', () => {
  it('is counted when its head has come, and refused when others have taken the room', async () => {
    const first = await open(head('/bytes', 2_500_000));
    await open(head('/bytes', 2_000_000));
    await eventually(() => expect(held.bytes).toBe(4_500_000));
    await expectRefused(await post('/bytes', Buffer.alloc(2_000_000)));
    expect(await (await post('/bytes', Buffer.alloc(1_000_000))).json()).toEqual({ bytes: 1_000_000 });
    first.write(Buffer.alloc(2_500_000));
    const [answer] = (await once(first, 'data')) as [Buffer];
    expect(String(answer)).toMatch(/"bytes":2500000/);
    await eventually(() => expect(held.bytes).toBe(2_000_000));
    expect((await post('/bytes', Buffer.alloc(2_000_000))).status).toBe(200);
  });

  it('of less than 64 KiB is not counted, and is never refused', async () => {
    await open(head('/bytes', 3_000_000));
    await open(head('/bytes', 3_000_000));
    await eventually(() => expect(held.bytes).toBe(LIMIT));
    expect((await post('/bytes', Buffer.alloc(65_535))).status).toBe(200);
    await expectRefused(await post('/bytes', Buffer.alloc(65_536)));
  });

  it.each([
    ['gzip', gzipSync(Buffer.alloc(2_900_000)), { 'content-encoding': 'gzip' }],
    ['chunked', Buffer.alloc(2_900_000), {}],
  ])('that is %s is counted as it grows', async (kind, body, headers) => {
    const send = async (): Promise<Response> => {
      const chunks = async function* (): AsyncGenerator<Buffer> {
        for (let at = 0; at < body.length; at += 100_000) yield body.subarray(at, at + 100_000);
      };
      const options = { method: 'POST', headers, body: kind === 'gzip' ? body : chunks(), duplex: 'half' as const };
      return fetch(`http://127.0.0.1:${port}/wait`, options);
    };
    const before = handled;
    const first = send();
    // The last buffer has the most that a body may have. It is there before the whole body has come.
    await eventually(() => expect(handled).toBe(before + 1));
    expect(held.bytes).toBe(3_000_000);
    await expectRefused(await send());
    release();
    expect(await (await first).json()).toEqual({ bytes: 2_900_000, held: 3_000_000 });
  });

  it('is not counted any more when its caller has gone', async () => {
    const caller = await open(head('/bytes', 2_500_000));
    await eventually(() => expect(held.bytes).toBe(2_500_000));
    caller.destroy();
    await eventually(() => expect(held.bytes).toBe(0));
  });

  it('that comes too slowly for its size gets 408', async () => {
    const caller = await open(head('/bytes', 3_000_000));
    // More than 16 KiB and less than a tenth of the body in each timeout.
    const drip = setInterval(() => caller.write(Buffer.alloc(10_000)), TIMEOUT_MS / 10);
    const [answer] = (await once(caller, 'data')) as [Buffer];
    clearInterval(drip);
    expect(String(answer)).toMatch(/^HTTP\/1\.1 408 [^]*less than 300000 bytes in 500 ms/);
  });
});

describe('an answer', () => {
  const LARGE = 'GET /large HTTP/1.1\r\nhost: x\r\n\r\n';

  it('is counted until it is written', async () => {
    const caller = await open(LARGE);
    caller.pause();
    await eventually(() => expect(held.bytes).toBe(4_000_000));
    await expectRefused(await fetch(`http://127.0.0.1:${port}/large`));
    caller.resume();
    await eventually(() => expect(held.bytes).toBe(0));
  });

  it('of a caller who takes it too slowly is given up', async () => {
    const caller = await open(LARGE);
    caller.pause();
    let taken = 0;
    const sip = async (): Promise<void> => {
      // More than 16 KiB and less than a tenth of the answer in each timeout.
      for (; !caller.destroyed; await delay(TIMEOUT_MS / 10))
        taken += (caller.read(8_192) as Buffer | null)?.length ?? 0;
    };
    await eventually(() => expect(held.bytes).toBe(4_000_000));
    void sip();
    await eventually(() => expect(held.bytes).toBe(0), { timeoutMs: 10_000 });
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(4_000_000);
  });
});
