import { connect } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BAD_REQUESTS } from '../support/bad-requests.ts';
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

/** Entries and queue jobs added since the start. A stream still counts entries after they are deleted. */
async function jobsEver(): Promise<number> {
  const added = async (stream: string): Promise<number> => {
    const info = (await redis.xinfo('STREAM', stream).catch(() => [])) as unknown[];
    return Number(info[info.indexOf('entries-added') + 1] ?? 0);
  };
  return (await added('sconce:online:default')) + (await added('bull:sconce.default.online:events'));
}

it('errors below the routes have the form of the API, and words that clients of Triton look for', async () => {
  const words = (message: RegExp): unknown => ({ error: expect.stringMatching(message) as string });
  const coded = (code: string): unknown => ({ error: expect.objectContaining({ code }) as unknown });
  for (const [method, path, status, allow, body] of [
    ['DELETE', '/v2/models/affine/infer', 405, 'POST', words(/does not take DELETE; it takes POST/)],
    ['PUT', '/v1/jobs/7', 405, 'DELETE, GET, HEAD', coded('method_not_allowed')],
    ['GET', '/v2/nothing', 404, null, words(/no such route/)],
    ['GET', '/v1/nothing', 404, null, coded('not_found')],
    ['GET', '/v2/models/%zz', 400, null, words(/percent-encoded/)],
    ['GET', '/v2/models/none', 404, null, words(/^Request for unknown model: 'none' is not found/)],
    ['POST', '/v2/repository/models/none/load', 404, null, words(/^failed to load 'none': Request for unknown model/)],
  ] as const) {
    const response = await stack.fetch(path, { method });
    expect([path, response.status, response.headers.get('allow'), await response.json()]).toEqual([
      path,
      status,
      allow,
      body,
    ]);
  }
});

describe('an infer request with', () => {
  it.each(BAD_REQUESTS)('%s', async (_, init, status, message) => {
    const before = await jobsEver();
    const response = await stack.fetch('/v2/models/affine/infer', init);
    const body = (await response.json()) as { error: string };
    expect([response.status, body]).toEqual([status, { error: expect.stringMatching(message) }]);
    expect(await jobsEver()).toBe(before);
  });

  it('a body that is still being sent when it is too large is answered, each time', async () => {
    for (let times = 0; times < 10; times++) {
      const response = await stack.fetch('/v2/models/affine/infer', { method: 'POST', body: Buffer.alloc(20_000_000) });
      expect([response.status, await response.json()]).toEqual([413, { error: expect.stringMatching(/1000000/) }]);
    }
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
    ['PATCH', '/v1/jobs', '{}', 405, 'method_not_allowed'],
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
