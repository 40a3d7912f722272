import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// Bad input gets an exact 4xx answer. No queue job is added, and all processes keep running.

let stack: Stack;
let redis: Redis;
beforeAll(async () => {
  stack = await startStack({ env: { SCONCE_MAX_BODY_BYTES: '1000000' } });
  redis = new Redis(stack.redis.url);
  await Promise.all([stack.push('simple'), stack.push('affine'), stack.push('every-type')]);
});
afterAll(() => {
  redis.disconnect();
});

const x = (over: object): object => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4], ...over }],
});
const binary = (head: object, tail: Buffer, headerLength?: string): RequestInit => {
  const text = Buffer.from(JSON.stringify(head));
  return {
    method: 'POST',
    headers: { 'inference-header-content-length': headerLength ?? String(text.byteLength) },
    body: Buffer.concat([text, tail]),
  };
};
const raw = (body: string | Buffer, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers,
  body,
});
const binaryX = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], parameters: { binary_data_size: 16 } }] };

/** Name of the case, the request to `affine`, the expected status and message. */
const CASES: [string, RequestInit, number, RegExp][] = [
  ['a wrong datatype', json(x({ datatype: 'INT32' })), 400, /"x".*INT32.*expected FP32/],
  ['an unknown datatype', json(x({ datatype: 'FLOAT' })), 400, /"x".*FLOAT/],
  ['a wrong dimension', json(x({ shape: [1, 5], data: [1, 2, 3, 4, 5] })), 400, /"x".*\[1,5\].*\[-1,4\]/],
  ['a wrong rank', json(x({ shape: [4] })), 400, /"x".*\[4\].*\[-1,4\]/],
  ['a wrong name', json(x({ name: 'z' })), 400, /"z".*no such input.*"x"/],
  ['a missing input', json({ inputs: [] }), 400, /"x"/],
  ['no inputs at all', json({}), 400, /inputs/],
  [
    'an extra input',
    json({ inputs: [...(x({}) as { inputs: [] }).inputs, { name: 'extra', datatype: 'FP32', shape: [1], data: [1] }] }),
    400,
    /"extra"/,
  ],
  [
    'an input given twice',
    json({ inputs: [...(x({}) as { inputs: [] }).inputs, ...(x({}) as { inputs: [] }).inputs] }),
    400,
    /"x".*twice/,
  ],
  ['too few values', json(x({ data: [1, 2, 3] })), 400, /"x".*3.*4/],
  ['too many values', json(x({ data: [1, 2, 3, 4, 5] })), 400, /"x".*5.*4/],
  ['a string for a number', json(x({ data: [1, 2, '3', 4] })), 400, /"x"/],
  ['null for a number', json(x({ data: [1, null, 3, 4] })), 400, /"x"/],
  [
    'ragged rows',
    json(
      x({
        shape: [2, 4],
        data: [
          [1, 2, 3, 4],
          [5, 6, 7],
        ],
      }),
    ),
    400,
    /"x"/,
  ],
  ['NaN', raw('{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,NaN,3,4]}]}'), 400, /NaN.*"x"/],
  ['a number beyond FP32', json(x({ data: [1, 2, 3, 1e39] })), 400, /"x"/],
  ['an absurd size', json(x({ shape: [9_007_199_254_740_991, 4], data: [] })), 400, /"x"/],
  ['a negative dimension', json(x({ shape: [-1, 4] })), 400, /"x"/],
  ['an unknown output', json({ ...x({}), outputs: [{ name: 'nope' }] }), 400, /"nope"/],
  ['garbage', raw(Buffer.from([0, 255, 17, 3])), 400, /JSON|UTF-8/],
  ['an empty body', raw(''), 400, /empty/],
  ['JSON that is no object', json([1]), 400, /object/],
  ['a truncated tensor', binary(binaryX, Buffer.alloc(15)), 400, /"x".*16/],
  ['surplus bytes', binary(binaryX, Buffer.alloc(17)), 400, /1/],
  [
    'a size that lies',
    binary({ inputs: [{ ...binaryX.inputs[0], parameters: { binary_data_size: 12 } }] }, Buffer.alloc(12)),
    400,
    /"x".*12.*16/,
  ],
  ['a header longer than the body', binary(binaryX, Buffer.alloc(16), '99999'), 400, /99999/],
  ['a header length that is no number', binary(binaryX, Buffer.alloc(16), 'many'), 400, /many/],
  ['a raw request of the wrong size', raw(Buffer.alloc(13), { 'inference-header-content-length': '0' }), 400, /13/],
  ['corrupt gzip', raw('not gzip at all', { 'content-encoding': 'gzip' }), 400, /./],
  ['an unknown encoding', raw('{}', { 'content-encoding': 'snappy' }), 415, /./],
  ['a body over the limit', raw(Buffer.alloc(1_000_001)), 413, /1000000/],
  ['a body far over the limit', raw(Buffer.alloc(30_000_000)), 413, /1000000/],
  ['a gzip bomb', raw(gzipSync(Buffer.alloc(20_000_000)), { 'content-encoding': 'gzip' }), 413, /1000000/],
  ['a bad timeout', json({ ...x({}), parameters: { timeout: -5 } }), 400, /timeout/],
  ['a bad priority', json({ ...x({}), parameters: { priority: 256 } }), 400, /priority/],
];

/** Entries and queue jobs added since the start. A stream still counts entries after they are deleted. */
async function jobsEver(): Promise<number> {
  const added = async (stream: string): Promise<number> => {
    const info = (await redis.xinfo('STREAM', stream).catch(() => [])) as unknown[];
    return Number(info[info.indexOf('entries-added') + 1] ?? 0);
  };
  return (await added('sconce:online:default')) + (await added('bull:sconce.default.online:events'));
}

describe('an infer request with', () => {
  it.each(CASES)('%s', async (_, init, status, message) => {
    const before = await jobsEver();
    const response = await stack.fetch('/v2/models/affine/infer', init);
    const body = (await response.json()) as { error: string };
    expect([response.status, body]).toEqual([status, { error: expect.stringMatching(message) }]);
    expect(await jobsEver()).toBe(before);
  });

  it('different numbers of rows in its inputs is refused', async () => {
    const inputs = 'BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES'
      .split(' ')
      .map((datatype) => {
        const rows = datatype === 'FP64' ? 2 : 1;
        const value = datatype === 'BYTES' ? 's' : datatype === 'BOOL' ? true : 1;
        return {
          name: `in_${datatype}`,
          datatype,
          shape: [rows, 2],
          data: Array.from({ length: 2 * rows }, () => value),
        };
      });
    const response = await stack.fetch('/v2/models/every-type/infer', json({ inputs }));
    expect([response.status, await response.json()]).toEqual([
      400,
      { error: expect.stringMatching(/"in_FP64" has 2 rows.*1/) },
    ]);
  });
});

describe('other requests with', () => {
  it.each([
    ['GET', '/v2/models/unknown', undefined, 404, /unknown/],
    ['GET', '/v2/models/unknown/ready', undefined, 404, /unknown/],
    ['POST', '/v2/models/unknown/infer', '{"inputs":[]}', 404, /unknown.*affine/],
    ['POST', '/v2/models/affine/versions/9/infer', '{"inputs":[]}', 404, /9/],
    ['GET', '/v2/models/..%2F..%2Fetc', undefined, 400, /name/],
    ['GET', '/v2/nothing/here', undefined, 404, /./],
    ['POST', '/v2/repository/index', 'not json', 400, /JSON/],
    ['POST', '/v2/repository/index', '{"ready":"yes"}', 400, /ready/],
    ['POST', '/v2/repository/models/affine/load', '{"parameters":{"config":"{}"}}', 501, /config/],
  ])('%s %s %s', async (method, path, body, status, message) => {
    const response = await stack.fetch(path, { method, ...(body === undefined ? {} : { body }) });
    const answer = (await response.json()) as { error: string };
    expect([response.status, answer]).toEqual([status, { error: expect.stringMatching(message) }]);
  });

  it.each([
    ['PUT', '/v1/models/stats/versions/1', 'x', 400, 'invalid_request'],
    ['PUT', '/v1/models/bad%20name/versions/1', 'x', 400, 'invalid_request'],
    ['PUT', '/v1/models/m/versions/one', 'x', 400, 'invalid_request'],
    ['PUT', '/v1/models/m/versions/1?pool=no%20way', 'x', 400, 'invalid_request'],
    ['PUT', '/v1/models/html/versions/1', '<!doctype html><html></html>', 422, 'model_invalid'],
    ['GET', '/v1/models/nope', undefined, 404, 'model_not_found'],
    ['GET', '/v1/jobs/nope', undefined, 404, 'job_not_found'],
    ['GET', '/v1/jobs/nope/result', undefined, 404, 'job_not_found'],
    ['DELETE', '/v1/jobs/nope', undefined, 404, 'job_not_found'],
    ['POST', '/v1/jobs', '{"inputs":[]}', 400, 'invalid_request'],
    ['POST', '/v1/jobs', '{"model":"unknown","inputs":[]}', 404, 'model_not_found'],
    ['POST', '/v1/jobs', '{"model":"affine","version":1,"inputs":[]}', 400, 'invalid_request'],
    ['POST', '/v1/jobs', '{"model":"affine","inputs":[]}', 400, 'invalid_tensor'],
    ['PATCH', '/v1/jobs', '{}', 404, 'not_found'],
  ])('%s %s %s', async (method, path, body, status, code) => {
    const response = await stack.fetch(path, { method, ...(body === undefined ? {} : { body }) });
    expect([response.status, await response.json()]).toEqual([
      status,
      {
        error: {
          message: expect.stringMatching(/\S/),
          type: 'invalid_request_error',
          code,
          param: expect.toSatisfy((param) => param === null || typeof param === 'string'),
        },
      },
    ]);
  });
});

describe('a push of', () => {
  it('a corrupt ONNX file fails with the reason, and the same version can be pushed again', async () => {
    const corrupt = Buffer.concat([
      Buffer.from([8, 10, 18, 4]),
      Buffer.from('oops'),
      Buffer.from([58, 200, 1, 10, 5]),
      Buffer.alloc(60, 7),
    ]);
    const pushed = await stack.fetch('/v1/models/corrupt/versions/1', { method: 'PUT', body: corrupt });
    expect([202, 422]).toContain(pushed.status);
    if (pushed.status === 202) {
      await expect
        .poll(async () => (await stack.fetch('/v1/models/corrupt/versions/1')).json(), { timeout: 20_000 })
        .toMatchObject({
          status: 'failed',
          error: { code: 'model_invalid', message: expect.stringMatching(/ONNX Runtime refused/) },
        });
      const refused = await stack.fetch('/v2/models/corrupt/infer', affineRequest([[1, 2, 3, 4]]));
      expect(refused.status).toBe(503);
    }
    await stack.push('affine', { name: 'corrupt' });
  });
});

describe('the HTTP port', () => {
  it('survives bytes that are not HTTP', async () => {
    const port = Number(new URL(stack.url).port);
    for (const bytes of [
      Buffer.from([0, 1, 2, 255]),
      Buffer.from('GET / HTTP/9.9\r\n\r\n'),
      Buffer.alloc(100_000, 65),
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
        socket.resume();
      });
    }
  });
});

it('the system still works after all these requests', async () => {
  const response = await stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
  expect(await response.json()).toMatchObject({ outputs: [{ data: [3, 5, 7, 9] }] });
});
