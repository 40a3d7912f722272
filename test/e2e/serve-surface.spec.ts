import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixturePath, temporaryFolder, type FixtureModel } from '@sconce/testing';
import { BAD_REQUESTS } from '../support/bad-requests.ts';
import { startServe, type Serve } from '../support/serve.ts';
import { EVERY_TYPE } from '../support/every-type.ts';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// `sconce serve` answers each request as API and worker do: status, headers and body.

const MODELS: readonly FixtureModel[] = ['simple', 'affine', 'every-type', 'lookup', 'nonzero', 'row-mixing'];
const LIMITS = { SCONCE_MAX_BODY_BYTES: '1000000' };

let stack: Stack;
let serve: Serve;
beforeAll(async () => {
  const folder = temporaryFolder('serve');
  for (const model of MODELS) copyFileSync(fixturePath(model), join(folder, `${model}.onnx`));
  [stack, serve] = await Promise.all([startStack({ env: LIMITS }), startServe([folder], LIMITS)]);
  for (const model of MODELS) await stack.push(model);
});

/** Headers that differ from request to request. */
const VARYING: Readonly<Record<string, RegExp>> = {
  date: /GMT$/,
  traceparent: /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/,
  'server-timing': /^queue;dur=[\d.]+, batch;dur=[\d.]+;desc="\d+ rows", run;dur=[\d.]+$/,
};

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function answerOf(server: Pick<Serve, 'fetch'>, path: string, init?: RequestInit): Promise<Answer> {
  const response = await server.fetch(path, init);
  const headers: Record<string, string> = {};
  for (const [name, value] of response.headers) {
    const pattern = VARYING[name];
    if (pattern !== undefined) expect(value).toMatch(pattern);
    headers[name] = pattern === undefined ? value : '(varies)';
  }
  return { status: response.status, headers, body: Buffer.from(await response.arrayBuffer()).toString('latin1') };
}

/** Sends a request to both. Returns the answer, which must be the same. */
async function both(path: string, init?: RequestInit): Promise<Answer> {
  const [ours, theirs] = await Promise.all([answerOf(serve, path, init), answerOf(stack, path, init)]);
  expect(ours).toEqual(theirs);
  return ours;
}

const int32 = (values: readonly number[]): Buffer => Buffer.from(new Int32Array(values).buffer);
const SIXTEEN = Array.from({ length: 16 }, (_, n) => n);
const everyType = Object.entries(EVERY_TYPE).map(([datatype, data]) => ({
  ...{ name: `in_${datatype}`, datatype, shape: [1, 2], data },
}));
const binarySimple = (head: object): RequestInit => {
  const inputs = ['INPUT0', 'INPUT1'].map((name) => ({
    ...{ name, shape: [1, 16], datatype: 'INT32', parameters: { binary_data_size: 64 } },
  }));
  const text = Buffer.from(JSON.stringify({ inputs, ...head }));
  return {
    method: 'POST',
    headers: { 'inference-header-content-length': String(text.byteLength) },
    body: Buffer.concat([text, int32(SIXTEEN), int32(SIXTEEN)]),
  };
};

describe('an infer request is answered alike', () => {
  it.each<[what: string, path: string, init: RequestInit]>([
    ['JSON', 'affine/infer', affineRequest([[1, 2, 3, 4]])],
    [
      'many rows, an id and parameters',
      'affine/infer',
      affineRequest(
        Array.from({ length: 100 }, () => [1, 2, 3, 4]),
        { id: 'i', parameters: { priority: 1, timeout: 9e6 } },
      ),
    ],
    ['a version', 'affine/versions/1/infer', affineRequest([[0.1, 1e-30, -3e38, 4]])],
    ['no rows', 'affine/infer', affineRequest([])],
    ['every datatype as JSON', 'every-type/infer', json({ inputs: everyType })],
    [
      'every datatype, binary outputs',
      'every-type/infer',
      json({ inputs: everyType, parameters: { binary_data_output: true } }),
    ],
    ['binary inputs and outputs', 'simple/infer', binarySimple({ parameters: { binary_data_output: true } })],
    [
      'one of the outputs, binary',
      'simple/infer',
      binarySimple({ outputs: [{ name: 'OUTPUT1', parameters: { binary_data: true } }] }),
    ],
    [
      'a classification',
      'affine/infer',
      affineRequest([[1, 2, 3, 4]], { outputs: [{ name: 'y', parameters: { classification: 2 } }] }),
    ],
    [
      'raw bytes',
      'affine/infer',
      { method: 'POST', headers: { 'inference-header-content-length': '0' }, body: Buffer.alloc(16) },
    ],
    [
      'rows of unknown number as output',
      'nonzero/infer',
      json({ inputs: [{ name: 'x', datatype: 'FP32', shape: [3], data: [0, 1, 1] }] }),
    ],
    [
      'a body in gzip',
      'affine/infer',
      {
        ...affineRequest([[1, 2, 3, 4]]),
        headers: { 'content-encoding': 'gzip' },
        body: gzipSync(String(affineRequest([[1, 2, 3, 4]]).body)),
      },
    ],
    [
      'an index that the model refuses',
      'lookup/infer',
      json({ inputs: [{ name: 'index', datatype: 'INT64', shape: [1, 1], data: [99] }] }),
    ],
    ['an unknown model', 'affin/infer', affineRequest([[1, 2, 3, 4]])],
    ['an unknown version', 'affine/versions/2/infer', affineRequest([[1, 2, 3, 4]])],
    ['a version that is no number', 'affine/versions/one/infer', affineRequest([[1, 2, 3, 4]])],
    ['a name that is not allowed', `${'n'.repeat(200)}/infer`, affineRequest([[1, 2, 3, 4]])],
  ])('%s', async (_, path, init) => {
    const { status, body } = await both(`/v2/models/${path}`, init);
    expect(body).not.toBe('');
    expect(status).toBeLessThan(501);
  });

  // Of a body far over the limit, a client may still be writing when the connection closes: then it gets no answer to compare.
  it.each(BAD_REQUESTS.filter(([what]) => what !== 'a body far over the limit'))(
    '%s',
    async (_, init, status, message) => {
      const answer = await both('/v2/models/affine/infer', init);
      expect(answer.status).toBe(status);
      expect((JSON.parse(answer.body) as { error: string }).error).toMatch(message);
    },
  );

  it('rows that mix are not merged, and many at once get their own answers', async () => {
    const request = (n: number): RequestInit =>
      json({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [n, n + 1, n + 2, n + 3] }] });
    await Promise.all(Array.from({ length: 40 }, (_, n) => both('/v2/models/row-mixing/infer', request(n))));
    await Promise.all(
      Array.from({ length: 40 }, (_, n) => both('/v2/models/affine/infer', affineRequest([[n, 0, 0, 0]]))),
    );
  });
});

describe('a read is answered alike', () => {
  it.each([
    '/v2/health/live',
    '/v2/health/ready',
    '/v2/health/ready/',
    ...['affine', 'every-type'].flatMap((model) => [
      `/v2/models/${model}`,
      `/v2/models/${model}/ready`,
      `/v2/models/${model}/config`,
    ]),
    '/v2/models/affine/versions/1',
    '/v2/models/affine/versions/1/ready',
    '/v2/models/affine/versions/7',
    '/v2/models/none/ready',
    '/v2/models/none/stats',
    '/v1/models/none',
    '/v1/models/affine/versions/x',
    '/v1/model-config.schema.json',
    '/v1/traces/0af7651916cd43dd8448eb211c80319c',
    '/docs',
    '/docs-json',
    '/docs-yaml',
    '/docs/none.js',
    '/nope',
    '/v2/nope?x=1',
  ])('%s', async (path) => {
    await both(path);
    await both(path, { headers: { 'accept-encoding': 'gzip' } });
  });

  it('the repository index', async () => {
    const { body } = await both('/v2/repository/index', json({ ready: true }));
    expect(JSON.parse(body)).toHaveLength(MODELS.length);
    await both('/v2/repository/index', { method: 'POST' });
    await both('/v2/repository/index', json({ ready: 'x' }));
  });

  it('the models, except times and measurements', async () => {
    const normal = async (server: Pick<Serve, 'fetch'>, path: string): Promise<unknown> =>
      JSON.parse(await (await server.fetch(path)).text(), (key, value: unknown) =>
        /^(created|created_at|updated_at|performance|disk_bytes)$/.test(key) ? typeof value : value,
      );
    for (const path of ['/v1/models', '/v1/models/affine', '/v1/models/affine/versions/1']) {
      expect(await normal(serve, path)).toEqual(await normal(stack, path));
    }
  });

  it('the statistics, except times', async () => {
    const counts = async (server: Pick<Serve, 'fetch'>): Promise<unknown> =>
      JSON.parse(await (await server.fetch('/v2/models/lookup/stats')).text(), (key, value: unknown) =>
        /^(ns|last_inference)$/.test(key) ? value !== 0 : value,
      );
    // The worker writes its totals a moment after the answer.
    await expect.poll(() => counts(stack), { timeout: 5_000 }).toEqual(await counts(serve));
    const all = (await (await serve.fetch('/v2/models/stats')).json()) as { model_stats: { name: string }[] };
    expect(all.model_stats.map(({ name }) => name)).toEqual([...MODELS].sort());
  });

  it('the metrics of requests and runs', async () => {
    const text = await (await serve.fetch('/metrics')).text();
    for (const metric of [
      'http_server_request_duration_seconds',
      'sconce_run_duration_seconds',
      'sconce_batch_rows',
      'sconce_rows_total',
    ]) {
      expect([metric, new RegExp(`^${metric}\\S*\\{.*model="affine"`, 'm').test(text)]).toEqual([metric, true]);
    }
  });
});

describe('work that needs Redis answers 501 with the reason', () => {
  it.each<[method: string, path: string, headers: Record<string, string>, reason: RegExp]>([
    ['POST', '/v1/jobs', {}, /keeps no jobs: send the request to \/v2\/models/],
    ['GET', '/v1/jobs/j1/result', {}, /keeps no jobs/],
    ['POST', '/v1/batches', {}, /keeps no files and scores no batches/],
    ['GET', '/v1/batches/b1/events', {}, /scores no batches/],
    ['POST', '/v1/files', {}, /keeps no files/],
    ['DELETE', '/v1/files/f1', {}, /keeps no files/],
    ['PUT', '/v1/models/affine/versions/2', {}, /serves the files that it was started with/],
    ['POST', '/v1/models/affine/versions', {}, /serves the files that it was started with/],
    ['DELETE', '/v1/models/affine/versions/1', {}, /serves the files that it was started with/],
    ['PATCH', '/v1/models/affine', {}, /serves the files that it was started with/],
    ['POST', '/v2/repository/models/affine/unload', {}, /serves the files that it was started with/],
    ['POST', '/v2/models/affine/infer', { prefer: 'respond-async' }, /cannot answer later \(Prefer: respond-async\)/],
    ['POST', '/v2/models/affine/infer', { 'idempotency-key': 'k' }, /remembers no requests.*Idempotency-Key/],
  ])('%s %s', async (method, path, headers, reason) => {
    const { body } = affineRequest([[1, 2, 3, 4]]);
    const response = await serve.fetch(path, { method, headers, ...(method === 'GET' ? {} : { body }) });
    expect(response.status).toBe(501);
    const { error } = (await response.json()) as { error: string | { code: string; message: string } };
    if (typeof error !== 'string') expect(error.code).toBe('unsupported');
    const message = typeof error === 'string' ? error : error.message;
    expect(message).toMatch(reason);
    expect(message).toMatch(/sconce up/);
  });
});
