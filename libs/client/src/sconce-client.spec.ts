import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeInferResponse, parseInferHead, viewOf, type Tensor } from '@sconce/tensor';
import { failOnLeaks } from '@sconce/testing';
import { SconceClient } from './sconce-client.ts';

failOnLeaks();

/** What the next requests are answered with, in order; what came is kept. */
let answers: ((request: IncomingMessage, response: ServerResponse) => void)[] = [];
let received: { method: string; url: string; headers: IncomingMessage['headers']; body: Buffer }[] = [];
let server: Server;
let client: SconceClient;

beforeEach(async () => {
  answers = [];
  received = [];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      received.push({ method, url, headers, body: Buffer.concat(chunks) });
      (answers.shift() ?? json(500, {}))(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = new SconceClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };

const X: Tensor = { name: 'x', datatype: 'FP32', shape: [1, 2], data: new Uint8Array(new Float32Array([1, 2]).buffer) };

describe('errors', () => {
  it.each([
    [404, { error: { message: 'no m', code: 'model_not_found', param: 'model' } }, 'model_not_found', 'no m'],
    [400, { error: 'input is wrong' }, 'invalid_request', 'input is wrong'],
    [504, { error: 'too slow' }, 'deadline_exceeded', 'too slow'],
    [500, { error: { message: 'm', code: 'from_the_future' } }, 'internal', 'm'],
    [502, 'a proxy was here', 'internal', 'The server answered 502: "a proxy was here"'],
  ])('%i %j', async (status, body, code, message) => {
    answers.push(json(status, body));
    await expect(client.metadata('m')).rejects.toMatchObject({ code, message, details: { status } });
  });

  it('have the time after which to retry', async () => {
    answers.push(json(429, { error: { message: 'full', code: 'queue_full' } }, { 'retry-after': '7' }));
    await expect(client.jobs.submit('m', { inputs: [X], binary: true })).rejects.toMatchObject({
      code: 'queue_full',
      details: { retryAfterSeconds: 7 },
    });
  });

  it('say that no server answers', async () => {
    const nowhere = new SconceClient({ url: 'http://127.0.0.1:9' });
    await expect(nowhere.models.list()).rejects.toMatchObject({
      code: 'server_unreachable',
      message: expect.stringContaining('http://127.0.0.1:9'),
    });
  });
});

describe('state of a model', () => {
  it('is read, set, and removed by force', async () => {
    const state = { name: 'a b', default_version: 'latest', serving: '2', versions: [] };
    answers.push(
      json(200, state),
      json(200, state),
      json(200, { data: [] }),
      json(204, undefined),
      json(204, undefined),
    );
    expect(await client.modelStates.get('a b')).toEqual(state);
    expect(await client.modelStates.set('a b', { default_version: '2', loaded: true })).toEqual(state);
    expect(await client.modelStates.list()).toEqual([]);
    await client.models.remove('m', '1');
    await client.models.remove('m', '1', { force: true });
    expect(received.map(({ method, url, body }) => `${method} ${url} ${body.toString()}`.trim())).toEqual([
      'GET /v1/models/a%20b',
      'PATCH /v1/models/a%20b {"default_version":"2","loaded":true}',
      'GET /v1/models',
      'DELETE /v1/models/m/versions/1',
      'DELETE /v1/models/m/versions/1?force=true',
    ]);
  });
});

describe('inference', () => {
  it.each([true, false])('sends and reads tensors (binary: %s) with the server’s timing', async (binary) => {
    const { body, contentType, headerLength } = encodeInferResponse({
      modelName: 'm',
      modelVersion: '1',
      outputs: [{ ...X, name: 'y' }],
      requested: [{ name: 'y', binary }],
    });
    answers.push((_request, response) => {
      response
        .writeHead(200, {
          'content-type': contentType,
          ...(headerLength === undefined ? {} : { 'inference-header-content-length': String(headerLength) }),
          'server-timing': 'queue;dur=1.5, batch;dur=2;desc="4 rows", run;dur=0.25',
          traceparent: `00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`,
        })
        .end(body);
    });
    const result = await client.infer('m', { inputs: [X], binary }, { version: '3', headers: { traceparent: 't' } });
    const timing = { queueMs: 1.5, batchMs: 2, runMs: 0.25 };
    expect(result).toMatchObject({ modelName: 'm', timing, traceId: 'a1'.repeat(16) });
    expect([...viewOf({ ...(result.outputs[0] as Tensor), datatype: 'FP32' })]).toEqual([1, 2]);
    expect(received[0]).toMatchObject({
      method: 'POST',
      url: '/v2/models/m/versions/3/infer',
      headers: { traceparent: 't' },
    });
  });
});

describe('a list of jobs', () => {
  it('asks for what is wanted, page by page, also after a page without entries', async () => {
    const page = (ids: readonly string[], last: string | null, more: boolean): object => ({
      object: 'list',
      data: ids.map((id) => ({ id })),
      first_id: ids[0] ?? null,
      last_id: last,
      has_more: more,
    });
    answers.push(json(200, page(['a'], 'b', true)), json(200, page([], 'c', true)), json(200, page(['d'], 'd', false)));
    const since = new Date('2026-01-31T08:00:00.500Z');
    const ids: string[] = [];
    for await (const { id } of client.jobs.list({ status: 'failed', model: 'a b', createdFrom: since })) ids.push(id);
    expect(ids).toEqual(['a', 'd']);
    const query = '/v1/jobs?limit=100&status=failed&model=a+b&created_from=1769846400.5';
    expect(received.map(({ url }) => url)).toEqual([query, `${query}&after=b`, `${query}&after=c`]);
  });
});

describe('jobs', () => {
  const job = (status: string, error?: object): object => ({
    id: 'j',
    object: 'job',
    model: 'm',
    version: '1',
    status,
    error,
  });

  it('name their model, and carry the idempotency key', async () => {
    answers.push(json(202, job('queued')));
    await client.jobs.submit('m', { inputs: [X], binary: true }, { version: '2', idempotencyKey: 'k' });
    const { url, headers, body } = received[0]!;
    expect([url, headers['idempotency-key']]).toEqual(['/v1/jobs', 'k']);
    const head = parseInferHead({ body, headerLength: Number(headers['inference-header-content-length']) });
    expect(head.extra).toEqual({ model: 'm', version: '2' });
  });

  it('are polled until they end', async () => {
    answers.push(json(200, job('queued')), json(200, job('running')), json(200, job('succeeded')));
    expect(await client.jobs.wait('j')).toMatchObject({ status: 'succeeded' });
    answers.push(json(200, job('failed', { code: 'inference_failed', message: 'bad row' })));
    await expect(client.jobs.wait('j')).rejects.toMatchObject({ code: 'inference_failed', message: 'bad row' });
    answers.push(json(200, job('cancelled')));
    await expect(client.jobs.wait('j')).rejects.toMatchObject({ code: 'job_cancelled' });
  });
});

describe('models', () => {
  it('are uploaded as a stream, and polled through each status', async () => {
    const model = (status: string, error?: object): object => ({ name: 'a b', version: '1', status, error });
    answers.push(json(202, model('compiling')));
    const body = new Blob(['model ', 'bytes']).stream();
    await client.models.push('a b', body, { version: '1', pool: 'gpu' });
    expect(received[0]).toMatchObject({ method: 'PUT', url: '/v1/models/a%20b/versions/1?pool=gpu' });
    expect(received[0]?.body.toString()).toBe('model bytes');
    const stages: string[] = [];
    answers.push(
      json(200, model('compiling')),
      json(200, model('proving')),
      json(200, model('proving')),
      json(200, model('ready')),
    );
    await client.models.waitUntilReady('a b', '1', { onStatus: (status) => stages.push(status) });
    expect(stages).toEqual(['compiling', 'proving', 'ready']);
    answers.push(json(200, model('failed', { code: 'model_invalid', message: 'no protobuf' })));
    await expect(client.models.waitUntilReady('a b', '1')).rejects.toMatchObject({
      code: 'model_invalid',
      message: 'no protobuf',
    });
  });
});
