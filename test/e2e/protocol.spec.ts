import { deflateSync, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { EVERY_TYPE } from '../support/every-type.ts';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// The Open Inference Protocol as its clients send it, byte by byte, against the built system.

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  await Promise.all([stack.push('simple'), stack.push('affine'), stack.push('every-type'), stack.push('lookup')]);
});

const int32 = (values: readonly number[]): Buffer => Buffer.from(new Int32Array(values).buffer);
const A = Array.from({ length: 16 }, (_, n) => n);
const ONES = A.map(() => 1);

/** The default request of tritonclient: binary inputs, binary outputs, no content type. */
function binaryRequest(head: object, ...tensors: Buffer[]): RequestInit {
  const text = Buffer.from(JSON.stringify(head));
  return {
    method: 'POST',
    headers: { 'inference-header-content-length': String(text.byteLength) },
    body: Buffer.concat([text, ...tensors]),
  };
}

const SIMPLE_INPUTS = [
  { name: 'INPUT0', shape: [1, 16], datatype: 'INT32', parameters: { binary_data_size: 64 } },
  { name: 'INPUT1', shape: [1, 16], datatype: 'INT32', parameters: { binary_data_size: 64 } },
];

describe('health and metadata', () => {
  it.each([
    ['/v2/health/live', { live: true }],
    ['/v2/health/ready', { live: true, ready: true }],
    ['/v2/health/ready/', { live: true, ready: true }],
    ['/v2/models/simple/ready', { name: 'simple', ready: true }],
    ['/v2/models/simple/versions/1/ready', { name: 'simple', ready: true }],
  ])('%s', async (path, body) => {
    const response = await stack.fetch(path);
    expect([response.status, await response.json()]).toEqual([200, body]);
  });

  it.each(['/v2', '/v2/'])('%s names the server and its extensions', async (path) => {
    const response = await stack.fetch(path);
    expect(await response.json()).toEqual({
      name: 'sconce',
      version: expect.any(String),
      extensions: expect.arrayContaining([
        'binary_tensor_data',
        'model_repository',
        'statistics',
        'model_configuration',
        'schedule_policy',
      ]),
    });
  });

  it('shows a model with its versions, inputs and outputs', async () => {
    const expected = {
      name: 'affine',
      versions: ['1'],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 4] }],
    };
    expect(await (await stack.fetch('/v2/models/affine')).json()).toEqual(expected);
    expect(await (await stack.fetch('/v2/models/affine/versions/1')).json()).toEqual(expected);
    // Names are URL-quoted.
    expect((await stack.fetch('/v2/models/%61ffine')).status).toBe(200);
  });

  it('answers the model configuration of Triton', async () => {
    expect(await (await stack.fetch('/v2/models/affine/config')).json()).toMatchObject({
      name: 'affine',
      platform: 'onnxruntime_onnx',
      max_batch_size: 64,
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [4] }],
      output: [{ name: 'y', data_type: 'TYPE_FP32', dims: [4] }],
    });
    expect(await (await stack.fetch('/v2/models/simple/config')).json()).toMatchObject({
      // Exported with one row; registration found that rows must run one by one.
      max_batch_size: 64,
      input: [{ dims: [16] }, { dims: [16] }],
    });
    await stack.push('row-mixing');
    expect(await (await stack.fetch('/v2/models/row-mixing/config')).json()).toMatchObject({
      max_batch_size: 0,
      input: [{ dims: [-1, 4] }],
    });
  });
});

describe('infer', () => {
  it('accepts binary inputs and answers with binary outputs, as tritonclient does by default', async () => {
    const head = { id: 'r1', inputs: SIMPLE_INPUTS, parameters: { binary_data_output: true } };
    const response = await stack.fetch('/v2/models/simple/infer', binaryRequest(head, int32(A), int32(ONES)));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    const bytes = Buffer.from(await response.arrayBuffer());
    const length = Number(response.headers.get('inference-header-content-length'));
    expect(JSON.parse(bytes.subarray(0, length).toString())).toEqual({
      model_name: 'simple',
      model_version: '1',
      id: 'r1',
      outputs: [
        { name: 'OUTPUT0', datatype: 'INT32', shape: [1, 16], parameters: { binary_data_size: 64 } },
        { name: 'OUTPUT1', datatype: 'INT32', shape: [1, 16], parameters: { binary_data_size: 64 } },
      ],
    });
    expect(bytes.subarray(length)).toEqual(Buffer.concat([int32(A.map((n) => n + 1)), int32(A.map((n) => n - 1))]));
  });

  it('answers each output as binary or JSON, as the request says', async () => {
    const head = {
      inputs: SIMPLE_INPUTS,
      outputs: [{ name: 'OUTPUT1', parameters: { binary_data: true } }, { name: 'OUTPUT0' }],
    };
    const response = await stack.fetch(
      '/v2/models/simple/versions/1/infer',
      binaryRequest(head, int32(A), int32(ONES)),
    );
    const bytes = Buffer.from(await response.arrayBuffer());
    const length = Number(response.headers.get('inference-header-content-length'));
    const { outputs } = JSON.parse(bytes.subarray(0, length).toString()) as { outputs: object[] };
    expect(outputs).toEqual([
      { name: 'OUTPUT1', datatype: 'INT32', shape: [1, 16], parameters: { binary_data_size: 64 } },
      { name: 'OUTPUT0', datatype: 'INT32', shape: [1, 16], data: A.map((n) => n + 1) },
    ]);
    expect(bytes.subarray(length)).toEqual(int32(A.map((n) => n - 1)));
  });

  it('accepts a raw binary request', async () => {
    const response = await stack.fetch('/v2/models/affine/infer', {
      method: 'POST',
      headers: { 'inference-header-content-length': '0' },
      body: Buffer.from(new Float32Array([1, 2, 3, 4]).buffer),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const length = Number(response.headers.get('inference-header-content-length'));
    expect([...new Float32Array(bytes.subarray(length).buffer.slice(bytes.byteOffset + length))]).toEqual([3, 5, 7, 9]);
  });

  it('accepts nested or flat JSON, and repeats the id only if there is one', async () => {
    const flat = await stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
    expect(await flat.json()).toEqual({
      model_name: 'affine',
      model_version: '1',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 4], data: [3, 5, 7, 9] }],
    });
    expect(flat.headers.get('server-timing')).toMatch(/^queue;dur=[\d.]+, batch;dur=.*, run;dur=[\d.]+$/);
    const nested = json({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [[1, 2, 3, 4]] }] });
    expect(await (await stack.fetch('/v2/models/affine/infer/', nested)).json()).toMatchObject({
      outputs: [{ data: [3, 5, 7, 9] }],
    });
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ])('takes a body compressed with %s; header lengths count plain bytes', async (encoding, compress) => {
    const init = binaryRequest({ inputs: SIMPLE_INPUTS }, int32(A), int32(ONES));
    const response = await stack.fetch('/v2/models/simple/infer', {
      ...init,
      headers: { ...(init.headers as Record<string, string>), 'content-encoding': encoding },
      body: compress(init.body as Buffer),
    });
    expect(await response.json()).toMatchObject({ outputs: [{ data: A.map((n) => n + 1) }, {}] });
  });

  it('names in a warning what it does not use, and refuses what it does not support', async () => {
    const infer = (more: object, query = ''): Promise<Response> =>
      stack.fetch(`/v2/models/affine/infer${query}`, affineRequest([[1, 2, 3, 4]], more));
    const fine = await infer({ parameters: { timeout: 10_000_000, priority: 1 } });
    expect([fine.status, fine.headers.get('warning')]).toEqual([200, null]);
    const warned = await infer({ model: 'x', parameters: { 'a"\u00e9': 1 } }, '?verbose=1');
    expect([warned.status, warned.headers.get('warning')]).toEqual([
      200,
      '299 sconce "query not used: verbose", 299 sconce "request not used: model, parameters.a??"',
    ]);
    const refused = await infer({ parameters: { sequence_id: 4 } });
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('sequence_id')]);
    const index = await stack.fetch('/v2/repository/index', json({ raedy: true }));
    expect([index.status, await index.text()]).toEqual([400, expect.stringContaining('raedy')]);
    const unload = await stack.fetch('/v2/repository/models/affine/unload', json({ parameters: { force: true } }));
    expect([unload.status, await unload.text()]).toEqual([400, expect.stringContaining('force')]);
  });

  it('compresses large answers without tensors for clients that ask for it', async () => {
    const encodingOf = async (path: string, init: RequestInit = {}): Promise<string | null> => {
      const headers = { ...(init.headers as Record<string, string>), 'accept-encoding': 'gzip' };
      return (await stack.fetch(path, { ...init, headers })).headers.get('content-encoding');
    };
    expect(await encodingOf('/docs-json')).toBe('gzip');
    const rows = Array.from({ length: 500 }, (_, n) => [n, n, n, n]);
    expect(await encodingOf('/v2/models/affine/infer', affineRequest(rows))).toBeNull();
  });

  it('sends every datatype as JSON and gets it back unchanged', async () => {
    const inputs = Object.entries(EVERY_TYPE).map(([datatype, data]) => ({
      name: `in_${datatype}`,
      datatype,
      shape: [1, 2],
      data,
    }));
    const response = await stack.fetch('/v2/models/every-type/infer', json({ inputs }));
    const { outputs } = (await response.json()) as { outputs: { datatype: string; data: unknown[] }[] };
    expect(Object.fromEntries(outputs.map(({ datatype, data }) => [datatype, data]))).toEqual(EVERY_TYPE);
  });

  it('takes NaN and infinities as clients write them, and gives them so that each of them reads them', async () => {
    const data = '[NaN,Infinity,-Infinity,"Infinity"]';
    const body = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":${data}}]}`;
    const response = await stack.fetch('/v2/models/affine/infer', { method: 'POST', body });
    const { outputs } = (await response.json()) as { outputs: { data: unknown[] }[] };
    // Each element of the output is one of the input, times a number, plus a number.
    expect(outputs[0]?.data).toEqual([null, 'Infinity', '-Infinity', 'Infinity']);
  });

  it('gives each of many concurrent requests its own answer', async () => {
    const answers = await Promise.all(
      Array.from({ length: 150 }, async (_, n) => {
        const rows = Array.from({ length: (n % 5) + 1 }, (_, row) => [n, row, 0, 0]);
        const response = await stack.fetch('/v2/models/affine/infer', affineRequest(rows));
        const { outputs } = (await response.json()) as { outputs: [{ data: number[] }] };
        return [outputs[0].data, rows.flat().map((value) => 2 * value + 1)];
      }),
    );
    for (const [actual, expected] of answers) expect(actual).toEqual(expected);
  });

  it('fails only the request whose rows the model refuses', async () => {
    const lookup = (index: number): Promise<Response> =>
      stack.fetch(
        '/v2/models/lookup/infer',
        json({ inputs: [{ name: 'index', datatype: 'INT64', shape: [1, 1], data: [index] }] }),
      );
    const responses = await Promise.all([1, 99, 3, 4].map(lookup));
    expect(responses.map((response) => response.status)).toEqual([200, 422, 200, 200]);
    expect(await responses[1]?.json()).toEqual({ error: expect.stringContaining('99') });
    expect(await responses[2]?.json()).toMatchObject({ outputs: [{ data: [6, 7] }] });
  });

  it('ends a request at its timeout parameter', async () => {
    await stack.push('slow');
    const body = json({
      parameters: { timeout: 100_000 },
      inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [20_000] }],
    });
    const response = await stack.fetch('/v2/models/slow/infer', body);
    expect([response.status, await response.json()]).toEqual([504, { error: expect.stringContaining('timeout') }]);
  });
});

describe('extensions', () => {
  it('counts rows and runs in the statistics', async () => {
    await stack.push('affine', { name: 'counted' });
    for (const rows of [1, 3]) {
      await stack.fetch('/v2/models/counted/infer', affineRequest(Array.from({ length: rows }, () => [0, 0, 0, 0])));
    }
    await expect
      .poll(async () => (await stack.fetch('/v2/models/counted/stats')).json(), { timeout: 20_000 })
      .toMatchObject({
        model_stats: [
          {
            name: 'counted',
            version: '1',
            inference_count: 4,
            execution_count: 2,
            inference_stats: { success: { count: 2, ns: expect.any(Number) }, fail: { count: 0 } },
            batch_stats: [
              { batch_size: 1, compute_infer: { count: 1 } },
              { batch_size: 3, compute_infer: { count: 1 } },
            ],
          },
        ],
      });
    const all = (await (await stack.fetch('/v2/models/stats')).json()) as { model_stats: { name: string }[] };
    expect(all.model_stats.map(({ name }) => name)).toContain('simple');
  });

  it('counts what failed by its reason, also what no worker answered', async () => {
    await Promise.all([stack.push('slow', { name: 'late' }), stack.push('lookup', { name: 'refusing' })]);
    const steps = { name: 'steps', datatype: 'INT64', shape: [1], data: [20_000] };
    const late = json({ parameters: { timeout: 100_000 }, inputs: [steps] });
    const refused = json({ inputs: [{ name: 'index', datatype: 'INT64', shape: [1, 1], data: [99] }] });
    expect((await stack.fetch('/v2/models/late/infer', late)).status).toBe(504);
    expect((await stack.fetch('/v2/models/refusing/infer', refused)).status).toBe(422);
    const statsOf = async (model: string): Promise<Record<string, unknown> | undefined> => {
      const answer = (await (await stack.fetch(`/v2/models/${model}/stats`)).json()) as {
        model_stats: { inference_stats: Record<string, unknown> }[];
      };
      return answer.model_stats[0]?.inference_stats;
    };
    for (const [model, reason] of [
      ['late', 'deadline_exceeded'],
      ['refusing', 'invalid_input'],
    ] as const) {
      const fail = { count: 1, ns: expect.any(Number) as number };
      await expect
        .poll(() => statsOf(model), { timeout: 20_000 })
        .toMatchObject({ success: { count: 0 }, fail, fail_by_reason: { [reason]: fail } });
    }
  });

  it('lists, unloads and loads models', async () => {
    await stack.push('affine', { name: 'switched' });
    const index = async (body: object): Promise<{ name: string; state: string; reason: string }[]> =>
      (await (await stack.fetch('/v2/repository/index', json(body))).json()) as never;
    expect(await index({})).toContainEqual({ name: 'switched', version: '1', state: 'READY', reason: '' });
    expect((await stack.fetch('/v2/repository/models/switched/unload', { method: 'POST' })).status).toBe(200);
    const refused = await stack.fetch('/v2/models/switched/infer', affineRequest([[0, 0, 0, 0]]));
    expect([refused.status, await refused.json()]).toEqual([503, { error: expect.stringContaining('load') }]);
    expect((await stack.fetch('/v2/models/switched/ready')).status).toBe(503);
    expect((await index({ ready: true })).map(({ name }) => name)).not.toContain('switched');
    expect((await stack.fetch('/v2/repository/models/switched/load', { method: 'POST' })).status).toBe(200);
    expect((await stack.fetch('/v2/models/switched/infer', affineRequest([[0, 0, 0, 0]]))).status).toBe(200);
    expect((await stack.fetch('/v2/repository/models/unknown/load', { method: 'POST' })).status).toBe(404);
  });

  it('serves OpenAPI and metrics', async () => {
    const docs = (await (await stack.fetch('/docs-json')).json()) as { paths: Record<string, object> };
    expect(Object.keys(docs.paths)).toEqual(
      expect.arrayContaining(['/v2/models/{model}/infer', '/v1/jobs', '/v1/models/{model}/versions/{version}']),
    );
    expect(await (await stack.fetch('/docs')).text()).toContain('swagger');
    for (const url of [`${stack.url}/metrics`, `${stack.api.ready.metricsUrl}/metrics`]) {
      expect(await (await fetch(url)).text()).toMatch(
        /http_server_request_duration_seconds_count\{[^}]*http_route="\/v2\/models\/:model\/infer"/,
      );
    }
    const worker = await (await fetch(`${stack.workers[0]?.ready.metricsUrl}/metrics`)).text();
    expect(worker).toMatch(/sconce_batch_rows_count\{[^}]*model="affine"/);
    expect((await fetch(`${stack.workers[0]?.ready.metricsUrl}/health/ready`)).status).toBe(200);
  });
});
