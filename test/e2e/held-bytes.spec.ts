import { once } from 'node:events';
import { connect as http2Connect, type ClientHttp2Stream } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { status } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import { atEndOfFile, eventually, fixturePath, temporaryFolder } from '@sconce/testing';
import { grpcClient, type GrpcClient } from '../support/grpc-client.ts';
import { startServe } from '../support/serve.ts';
import { json, startStack } from '../support/stack.ts';

// Large bodies and answers share a bound of 16 MiB in one process, whatever protocol they come with.

const MIB = 1024 ** 2;
const LIMIT = 16 * MIB;
const REFUSED = /held_bytes.*allowed are 16777216.*SCONCE_MAX_HELD_BYTES/;
const ENV = { SCONCE_MAX_HELD_BYTES: String(LIMIT), SCONCE_GRPC_PORT: '0', SCONCE_SHUTDOWN_GRACE_MS: '2000' };

interface Server {
  readonly url: string;
  readonly grpc: GrpcClient;
  readonly grpcUrl: string;
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

const servers = new Map<string, Server>();

beforeAll(async () => {
  const stack = await startStack({ env: ENV });
  const args = [fixturePath('wide'), fixturePath('expand'), '--cache', temporaryFolder('held-bytes'), '--json'];
  const [serve] = await Promise.all([
    startServe(args, ENV, /^\{"ready":true/),
    stack.push('wide'),
    stack.push('expand'),
  ]);
  const { grpc_url: grpcUrl } = JSON.parse(serve.process.readyLine) as { grpc_url: string };
  const { grpcUrl: apiGrpcUrl = '' } = stack.api.ready;
  servers.set('the API', { url: stack.url, grpc: grpcClient(apiGrpcUrl), grpcUrl: apiGrpcUrl });
  servers.set('sconce serve', { url: serve.url, grpc: grpcClient(grpcUrl), grpcUrl });
});

/** A request whose output has 256 KiB for each row, as the signature says. */
const wide = (rows: number): object => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, 1], data: Array.from({ length: rows }, (_, row) => row) }],
  outputs: [{ name: 'y', parameters: { binary_data: true } }],
});
/** A request whose output has so many bytes, as its input says. */
const expand = (bytes: number): object => ({
  inputs: [{ name: 'count', datatype: 'INT64', shape: [1], data: [bytes / 4] }],
  outputs: [{ name: 'y', parameters: { binary_data: true } }],
});

/** Begins a body of so many bytes, which are held as soon as its head has come. */
async function beginBody(url: string, bytes: number): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  atEndOfFile(async () => void socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(`POST /v2/models/wide/infer HTTP/1.1\r\nhost: x\r\ncontent-length: ${bytes}\r\n\r\n`);
  return socket;
}

describe.each(['the API', 'sconce serve'])('%s', (name) => {
  const server = (): Server => servers.get(name) as Server;
  const infer = async (model: string, body: object | Buffer): Promise<Answer> => {
    const init = Buffer.isBuffer(body) ? { method: 'POST', body } : json(body);
    const response = await fetch(`${server().url}/v2/models/${model}/infer`, init);
    // Who does not read an answer lets the server hold it.
    return { status: response.status, retryAfter: response.headers.get('retry-after'), text: await response.text() };
  };
  const inferGrpc = (rows: number): ReturnType<GrpcClient['call']> =>
    server().grpc.call('ModelInfer', {
      model_name: 'wide',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, 1] }],
      raw_input_contents: [Buffer.alloc(4 * rows)],
    });

  it('refuses large bodies and answers while others hold the room, and takes small requests', async () => {
    const caller = await beginBody(server().url, 12 * MIB);
    // The signature says the size of the answer, the run says it, or the body has it.
    for (const request of [
      () => infer('wide', wide(20)),
      () => infer('expand', expand(5 * MIB)),
      () => infer('wide', Buffer.alloc(5 * MIB, 'x')),
    ]) {
      await eventually(async () => {
        const text = expect.stringMatching(REFUSED) as string;
        expect(await request()).toEqual({ status: 429, retryAfter: '1', text });
      });
    }
    expect(await inferGrpc(20)).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      message: expect.stringMatching(REFUSED) as string,
    });
    // A message that comes is counted too, before it is complete.
    expect(await inferGrpc((5 * MIB) / 4)).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      message: expect.stringMatching(REFUSED) as string,
    });
    expect((await infer('expand', expand(40))).status).toBe(200);
    expect((await infer('wide', wide(8))).status).toBe(200);
    expect(await inferGrpc(2)).toHaveProperty('answer');
    caller.destroy();
    await eventually(async () => expect((await infer('wide', wide(60))).status).toBe(200));
  });

  it('frees what it held for all that has ended: refused, given up, or answered', async () => {
    const gone = new AbortController();
    const left = Array.from({ length: 4 }, () =>
      fetch(`${server().url}/v2/models/wide/infer`, { ...json(wide(16)), signal: gone.signal }).catch(() => undefined),
    );
    const some = await Promise.all(Array.from({ length: 12 }, () => infer('wide', wide(20))));
    gone.abort();
    await Promise.all(left);
    for (const { status: code } of some) expect([200, 429]).toContain(code);
    await Promise.all(Array.from({ length: 8 }, () => inferGrpc(15)));
    // It needs all the room.
    await eventually(async () => expect((await infer('wide', wide(63))).status).toBe(200));
  });

  it('counts a message of gRPC that has not come completely, until its caller goes', async () => {
    const session = http2Connect(`http://${server().grpcUrl}`);
    atEndOfFile(async () => void session.destroy());
    session.on('error', () => undefined);
    const path = '/inference.GRPCInferenceService/ModelInfer';
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(12 * MIB, 1);
    const begin = (): ClientHttp2Stream => {
      const call = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
      call.on('error', () => undefined);
      call.write(prefix);
      return call.resume();
    };
    let call = begin();
    const text = expect.stringMatching(REFUSED) as string;
    await eventually(async () => {
      // It was refused: the server still held the last answer of the test before.
      if (call.closed) call = begin();
      expect(await infer('wide', wide(20))).toEqual({ status: 429, retryAfter: '1', text });
    });
    session.destroy();
    await eventually(async () => expect((await infer('wide', wide(63))).status).toBe(200));
  });

  it('refuses a request that never fits, without a time to wait', async () => {
    const text = expect.stringMatching(/held_bytes.*would hold 17039620 bytes.*SCONCE_MAX_HELD_BYTES/) as string;
    expect(await infer('wide', wide(65))).toEqual({ status: 422, retryAfter: null, text });
  });
});
