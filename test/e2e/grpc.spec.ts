import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials, status } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import { hashSecret } from '@sconce/keys';
import { eventually, fixturePath, temporaryFolder } from '@sconce/testing';
import { sconce } from '../support/cli.ts';
import { grpcClient, readStream, type CallOptions, type GrpcClient, type Message } from '../support/grpc-client.ts';
import { startStack, type Stack } from '../support/stack.ts';

// The service of gRPC against the built system: callers with keys, and the same answers and errors as HTTP.

const folder = temporaryFolder('grpc');
const tls = (name: string): string => fileURLToPath(new URL(`fixtures/tls/${name}`, import.meta.url));
const SECURE = { SCONCE_GRPC_TLS_CERT: tls('server.crt'), SCONCE_GRPC_TLS_KEY: tls('server.key') };

let stack: Stack;
let client: GrpcClient;
const key = (id: string): Record<string, string> => ({ authorization: `Bearer secret-of-${id}` });
const call = (method: string, request: Message = {}, options: CallOptions = {}): ReturnType<GrpcClient['call']> =>
  client.call(method, request, { ...options, metadata: { ...key('admin'), ...options.metadata } });

beforeAll(async () => {
  const keys = [
    { id: 'admin', sha256: hashSecret('secret-of-admin'), scopes: ['admin'] },
    { id: 'caller', sha256: hashSecret('secret-of-caller'), scopes: ['infer'], max_outstanding: 1 },
    { id: 'reader', sha256: hashSecret('secret-of-reader'), scopes: ['batch'] },
  ];
  writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys }));
  stack = await startStack({
    env: {
      SCONCE_KEYS_FILE: join(folder, 'keys.json'),
      SCONCE_GRPC_PORT: '0',
      SCONCE_MAX_BODY_BYTES: String(1024 ** 2),
      SCONCE_SHUTDOWN_GRACE_MS: '2000',
    },
  });
  client = grpcClient(stack.api.ready.grpcUrl ?? '');
  writeFileSync(join(folder, 'slow.json'), JSON.stringify({ budget: { run_ms: 120_000 } }));
  for (const args of [['affine'], ['slow', '--config', join(folder, 'slow.json')]] as const) {
    const [name, ...rest] = args;
    const env = { SCONCE_URL: stack.url, SCONCE_API_KEY: 'secret-of-admin' };
    const pushed = await sconce(['push', fixturePath(name), '--name', name, ...rest], env);
    expect(pushed.code, pushed.stderr).toBe(0);
  }
});

const floats = (values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
const affine = (values: readonly number[], more: Message = {}): Message => ({
  model_name: 'affine',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [values.length / 4, 4] }],
  raw_input_contents: [floats(values)],
  ...more,
});
const slow = (steps: number): Message => ({
  model_name: 'slow',
  inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], contents: { int64_contents: [steps] } }],
});
const BAD_SHAPE = affine([1, 2, 3, 4], { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }] });
const ANSWER = {
  raw_output_contents: [floats([3, 5, 7, 9])],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 4] }],
};

describe('one call', () => {
  it('infers from raw and from typed contents, and tells where the time went', async () => {
    const raw = await call('ModelInfer', affine([1, 2, 3, 4], { id: '7' }));
    expect(raw).toMatchObject({ answer: { model_name: 'affine', model_version: '1', id: '7', ...ANSWER } });
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 4], contents: { fp32_contents: [1, 2, 3, 4] } }];
    const typed = await call('ModelInfer', { model_name: 'affine', model_version: '1', inputs });
    expect(typed).toMatchObject({ answer: ANSWER });
    const trailers = 'trailers' in raw ? raw.trailers.getMap() : {};
    expect(trailers).toMatchObject({
      traceparent: expect.stringMatching(/^00-/),
      'server-timing': expect.stringContaining('queue;dur='),
    });
  });

  it.each<[string, Message, number, RegExp]>([
    ['ModelInfer', { model_name: 'nothing' }, status.NOT_FOUND, /Request for unknown model: 'nothing' is not found/],
    ['ModelInfer', BAD_SHAPE, status.INVALID_ARGUMENT, /dimension 0 of shape \[-1,4\] is -1/],
    ['ModelInfer', affine([], { inputs: [] }), status.INVALID_ARGUMENT, /raw_input_contents has 1 entries/],
    ['ModelInfer', affine([1, 2, 3, 4], { model_version: '9' }), status.NOT_FOUND, /9/],
    ['ModelInfer', { raw_input_contents: [Buffer.alloc(2 * 1024 ** 2)] }, status.RESOURCE_EXHAUSTED, /larger than max/],
    ['ModelMetadata', { name: 'nothing' }, status.NOT_FOUND, /Request for unknown model: 'nothing' is not found/],
    ['SystemSharedMemoryStatus', {}, status.UNIMPLEMENTED, /shared memory is not supported/],
    ['TraceSetting', {}, status.UNIMPLEMENTED, /not supported/],
  ])('%s with %j fails', async (method, request, code, message) => {
    expect(await call(method, request)).toEqual({ code, message: expect.stringMatching(message) as string });
  });

  it('names in a trailer what it does not use, and refuses what it does not support', async () => {
    const parameters = { headers: { string_param: 'x' }, priority: { int64_param: 1 } };
    const warned = await call('ModelInfer', affine([1, 2, 3, 4], { parameters }));
    const trailers = 'trailers' in warned ? warned.trailers.getMap() : {};
    expect(trailers).toMatchObject({ warning: '299 sconce "request not used: parameters.headers"' });
    expect('trailers' in (await call('ModelInfer', affine([1, 2, 3, 4])))).toBe(true);
    const sequence = affine([1, 2, 3, 4], { parameters: { sequence_id: { int64_param: 4 } } });
    expect(await call('ModelInfer', sequence)).toEqual({
      code: status.INVALID_ARGUMENT,
      message: expect.stringContaining('"sequence_id" is not supported') as string,
    });
    const keyed = await call('ModelInfer', affine([1, 2, 3, 4]), { metadata: { 'idempotency-key': 'k' } });
    expect(keyed).toMatchObject({ code: status.UNIMPLEMENTED });
    expect(
      await call('RepositoryModelUnload', { model_name: 'affine', parameters: { all: { bool_param: true } } }),
    ).toEqual({
      code: status.INVALID_ARGUMENT,
      message: expect.stringContaining('"all"') as string,
    });
  });

  it('gives the error of HTTP, word for word', async () => {
    const inputs = [{ name: 'x', datatype: 'FP64', shape: [1, 4] }];
    const overGrpc = await call('ModelInfer', affine([1, 2, 3, 4], { inputs }));
    const overHttp = await stack.fetch('/v2/models/affine/infer', {
      method: 'POST',
      headers: key('admin'),
      body: JSON.stringify({ inputs: [{ ...inputs[0], data: [1, 2, 3, 4] }] }),
    });
    expect(overGrpc).toEqual({ code: 3, message: ((await overHttp.json()) as { error: string }).error });
  });

  it('needs a key with the scope', async () => {
    const infer = (metadata: Record<string, string>): Promise<unknown> =>
      client.call('ModelInfer', affine([1, 2, 3, 4]), { metadata });
    expect(await infer({})).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await infer({ authorization: 'Bearer wrong' })).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await infer(key('reader'))).toMatchObject({ code: status.PERMISSION_DENIED });
    expect(await infer({ 'x-api-key': 'secret-of-caller' })).toMatchObject({ answer: ANSWER });
    const unload = await client.call('RepositoryModelUnload', { model_name: 'affine' }, { metadata: key('caller') });
    expect(unload).toMatchObject({ code: status.PERMISSION_DENIED });
  });
});

describe('the models', () => {
  it('are described', async () => {
    expect(await call('ModelMetadata', { name: 'affine' })).toMatchObject({
      answer: { name: 'affine', versions: ['1'], inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }] },
    });
    expect(await call('ModelConfig', { name: 'affine' })).toMatchObject({
      answer: { config: { name: 'affine', max_batch_size: 64, input: [{ data_type: 'TYPE_FP32', dims: [4] }] } },
    });
    const stats = await call('ModelStatistics', { name: 'affine' });
    expect(stats).toMatchObject({ answer: { model_stats: [{ name: 'affine', inference_stats: {} }] } });
    expect(await call('ModelReady', { name: 'nothing' })).toMatchObject({ answer: { ready: false } });
    expect(await call('ServerMetadata')).toMatchObject({ answer: { name: 'sconce' } });
  });

  it('are unloaded and loaded', async () => {
    expect(await call('RepositoryModelUnload', { model_name: 'affine' })).toHaveProperty('answer');
    expect(await call('ModelReady', { name: 'affine' })).toMatchObject({ answer: { ready: false } });
    const infer = await call('ModelInfer', affine([1, 2, 3, 4]));
    expect(infer).toMatchObject({ code: status.UNAVAILABLE });
    expect(await call('RepositoryModelLoad', { model_name: 'affine' })).toHaveProperty('answer');
    const index = await call('RepositoryIndex', { ready: true });
    const models = expect.arrayContaining([expect.objectContaining({ name: 'affine', state: 'READY' })]) as unknown;
    expect(index).toMatchObject({ answer: { models } });
    const config = { config: { string_param: '{}' } };
    const refused = await call('RepositoryModelLoad', { model_name: 'affine', parameters: config });
    expect(refused).toMatchObject({ code: status.UNIMPLEMENTED });
  });
});

/** Requests that the API waits for. */
async function outstanding(): Promise<number> {
  const text = await (await fetch(`${stack.api.ready.metricsUrl}/metrics`)).text();
  return Number(/^sconce_outstanding_requests(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1]);
}

describe('a caller that does not wait', () => {
  it('has the deadline of its call', async () => {
    const end = await call('ModelInfer', slow(600_000), { deadlineMs: 300 });
    expect(end).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await eventually(async () => expect(await outstanding()).toBe(0));
  });

  it('cancels its request', async () => {
    const abort = new AbortController();
    const end = call('ModelInfer', slow(600_000), { signal: abort.signal });
    await eventually(async () => expect(await outstanding()).toBe(1));
    abort.abort();
    expect(await end).toMatchObject({ code: status.CANCELLED });
    await eventually(async () => expect(await outstanding()).toBe(0));
  });

  it('cancels its stream, and with it the requests', async () => {
    const stream = client.open('ModelStreamInfer', { metadata: key('admin') });
    stream.on('error', () => undefined);
    for (let index = 0; index < 3; index++) stream.write(slow(600_000));
    await eventually(async () => expect(await outstanding()).toBe(3));
    stream.cancel();
    await eventually(async () => expect(await outstanding()).toBe(0));
  });
});

describe('a stream', () => {
  it('answers in order, also more requests than run at once, and goes on after an error', async () => {
    const stream = client.open('ModelStreamInfer', { metadata: key('admin') });
    const read = readStream(stream);
    for (let index = 0; index < 300; index++) {
      stream.write(affine([index, 2, 3, 4], { id: String(index), ...(index === 5 ? { model_name: 'nothing' } : {}) }));
    }
    stream.end();
    const { answers, error } = await read;
    expect(error).toBeUndefined();
    expect(answers.map(({ infer_response: response }) => (response as Message)['id'])).toEqual(
      Array.from({ length: 300 }, (_, index) => String(index)),
    );
    expect(answers[5]).toMatchObject({
      error_message: expect.stringMatching(/^Request for unknown model: 'nothing' is not found/) as string,
    });
    expect(answers[6]).toMatchObject({
      error_message: '',
      infer_response: { raw_output_contents: [floats([13, 5, 7, 9])] },
    });
  });

  it('names at its end what its requests had too much', async () => {
    const stream = client.open('ModelStreamInfer', { metadata: key('admin') });
    const ended = new Promise<string>((resolve) => {
      stream.on('status', ({ metadata }) => resolve(String(metadata.get('warning'))));
    });
    const read = readStream(stream);
    for (const name of ['a', 'b', 'a']) {
      stream.write(affine([1, 2, 3, 4], { parameters: { [name]: { bool_param: true } } }));
    }
    stream.end();
    expect((await read).answers).toHaveLength(3);
    expect(await ended).toBe('299 sconce "request not used: parameters.a, parameters.b"');
  });

  it('ends with the status of the first error if the caller wants that', async () => {
    const metadata = { ...key('admin'), triton_grpc_error: 'true' };
    const stream = client.open('ModelStreamInfer', { metadata });
    const read = readStream(stream);
    stream.write({ model_name: 'nothing' });
    expect((await read).error).toMatchObject({ code: status.NOT_FOUND });
  });

  it('counts its requests towards the limits of the key, and is not one itself', async () => {
    const stream = client.open('ModelStreamInfer', { metadata: key('caller') });
    const answered = new Promise<Message>((resolve) => stream.once('data', resolve));
    stream.write(affine([1, 2, 3, 4]));
    expect(await answered).toMatchObject({ infer_response: ANSWER });
    stream.end();
    expect((await readStream(stream)).error).toBeUndefined();
    const refused = client.open('ModelStreamInfer', { metadata: key('reader') });
    expect((await readStream(refused)).error).toMatchObject({ code: status.PERMISSION_DENIED });
  });
});

describe('the server', () => {
  it('tells its health without a key', async () => {
    const health = grpcClient(stack.api.ready.grpcUrl ?? '', 'grpc.health.v1.Health');
    expect(await health.call('Check')).toMatchObject({ answer: { status: 'SERVING' } });
    expect(await health.call('Check', { service: 'other' })).toMatchObject({ code: status.NOT_FOUND });
    expect(await client.call('ServerReady')).toMatchObject({ answer: { ready: true } });
    const watch = health.watch('Watch', {});
    watch.on('error', () => undefined);
    const first = await new Promise<Message>((resolve) => watch.once('data', resolve));
    expect(first).toEqual({ status: 'SERVING' });
    watch.cancel();
  });

  it('describes itself', async () => {
    const reflection = grpcClient(stack.api.ready.grpcUrl ?? '', 'grpc.reflection.v1.ServerReflection');
    const stream = reflection.open('ServerReflectionInfo', { metadata: key('reader') });
    const read = readStream(stream);
    stream.write({ list_services: '*' });
    stream.write({ file_containing_symbol: 'inference.GRPCInferenceService' });
    stream.write({ file_containing_symbol: 'inference.Nothing' });
    stream.end();
    const { answers } = await read;
    const service = expect.arrayContaining([{ name: 'inference.GRPCInferenceService' }]) as unknown;
    expect(answers[0]).toMatchObject({ list_services_response: { service } });
    const { file_descriptor_response: file } = answers[1] as { file_descriptor_response: Message };
    const [descriptor] = file['file_descriptor_proto'] as Buffer[];
    expect(descriptor?.includes('ModelStreamInfer')).toBe(true);
    expect(answers[2]).toMatchObject({ error_response: { error_code: status.NOT_FOUND } });
  });

  it('measures calls and continues traces by the conventions for RPC', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319d';
    const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
    expect(await call('ModelInfer', affine([1, 2, 3, 4]), { metadata: { traceparent } })).toHaveProperty('answer');
    const name = 'inference.GRPCInferenceService/ModelInfer';
    await eventually(
      () => {
        const spans = stack.collector.spans.filter((span) => span.traceId === traceId);
        const names = ['sconce.enqueue', 'sconce.queue', 'sconce.run', name];
        expect(spans.map((span) => span.name)).toEqual(expect.arrayContaining(names));
      },
      { timeoutMs: 15_000 },
    );
    const text = await (await fetch(`${stack.api.ready.metricsUrl}/metrics`)).text();
    const counted = text.split('\n').filter((line) => line.startsWith('rpc_server_call_duration_seconds_count'));
    expect(counted.join('\n')).toMatch(
      new RegExp(`rpc_method="${name}",rpc_response_status_code="OK".*model="affine"`),
    );
    expect(counted.join('\n')).toMatch(/rpc_response_status_code="CANCELLED"/);
  });

  it('speaks TLS, and drains', async () => {
    const api = await stack.startApi(SECURE);
    const address = `localhost:${(api.ready.grpcUrl ?? '').split(':')[1]}`;
    const ca = credentials.createSsl(readFileSync(tls('ca.crt')));
    const secure = grpcClient(address, undefined, ca);
    const infer = secure.call('ModelInfer', affine([1, 2, 3, 4]), { metadata: key('admin') });
    expect(await infer).toMatchObject({ answer: ANSWER });
    const plain = grpcClient(address);
    expect(await plain.call('ServerLive', {}, { deadlineMs: 3_000 })).toHaveProperty('code');
    expect(await api.stop()).toBe(0);
  });
});
