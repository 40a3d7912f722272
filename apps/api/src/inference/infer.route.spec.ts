import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import fastifyFactory from 'fastify';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SconceError } from '@sconce/errors';
import { ModelDirectory } from '@sconce/models';
import type { BeginOptions, InferenceAnswer, InferenceRequest } from '@sconce/queue';
import { createLogger, startTelemetry } from '@sconce/telemetry';
import { atEndOfFile, eventually } from '@sconce/testing';
import { installBodyParser } from '../http/body-parser.ts';
import { installCompression } from '../http/compression.ts';
import { HeldBytes } from '../http/held-bytes.ts';
import { installDraining } from '../http/draining.ts';
import { installRequestTrace } from '../http/request-trace.ts';
import { installInferRoutes, type JobInference } from './infer.route.ts';
import { RequestDecoder } from './request-decoder.ts';
import { MODEL, SERVED, TIMING } from './testing/double-model.ts';

// The routes over HTTP, with a port that the test answers.

const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';

let state = SERVED;
let url = '';
let run: (request: InferenceRequest) => Promise<InferenceAnswer>;
let spans: string[] = [];
/** Refuses requests at once. */
let refusal: SconceError | undefined;
let order: string[] = [];
let isDraining = false;
let bodies: unknown[] = [];
let countedRequests: unknown[] = [];
const begun: { readonly request: InferenceRequest; readonly giveUp: () => void; readonly options: BeginOptions }[] = [];
const jobs = { submit: vi.fn<JobInference['submit']>(), inferOnce: vi.fn<JobInference['inferOnce']>() };

const double = ({ inputs: [x] }: InferenceRequest): Promise<InferenceAnswer> => {
  const { shape = [], data = new Uint8Array() } = x ?? {};
  const values = new Float32Array(new Uint8Array(data).buffer).map((value) => 2 * value);
  const z = { name: 'z', datatype: 'FP32' as const, shape, data: new Uint8Array(values.buffer) };
  return Promise.resolve({ outputs: [z], timing: TIMING });
};

beforeAll(async () => {
  const logger = createLogger({ service: 'api', level: 'fatal', destination: new Writable() });
  const traces = { exporter: 'none', endpoint: '', protocol: 'http/json', headers: {}, sampleRatio: 1 } as const;
  const telemetry = await startTelemetry({ service: 'api', version: '0', instanceId: 'infer', traces, logger });
  const startSpan = telemetry.tracer.startSpan.bind(telemetry.tracer);
  telemetry.tracer.startSpan = (name, ...rest) => {
    spans.push(name);
    return startSpan(name, ...rest);
  };
  const directory = new ModelDirectory({
    repository: {
      get: (name) =>
        name === MODEL.name
          ? Promise.resolve(MODEL)
          : Promise.reject(new SconceError('model_not_found', `no model ${name}`)),
      state: () => Promise.resolve(state),
    },
    config: { ttlMs: 0, maxStaleMs: 0 },
  });
  const fastify = fastifyFactory({ routerOptions: { ignoreTrailingSlash: true } });
  installRequestTrace(fastify, telemetry);
  installDraining(fastify, () => isDraining);
  await installCompression(fastify);
  installBodyParser(fastify, { maxBytes: 1_000_000, held: new HeldBytes(Infinity) });
  fastify.addHook('preHandler', (request, _reply, done) => {
    bodies.push(request.body);
    done();
  });
  installInferRoutes(fastify, {
    directory,
    port: {
      begin: (request, options, { onAnswer, onError }) => {
        const giveUp = vi.fn<() => void>();
        begun.push({ request, options, giveUp });
        if (refusal === undefined) run(request).then(onAnswer, onError);
        else {
          // Runs in the next turn of the event loop.
          setImmediate(() => order.push('turn'));
          onError(refusal);
        }
        return { giveUp };
      },
    },
    totals: { recordRequest: (counted) => void countedRequests.push(counted) },
    jobs,
    telemetry,
    logger,
    decoder: new RequestDecoder({}),
    requestTimeoutMs: 5_000,
  });
  fastify.addHook('onSend', (_request, _reply, _payload, done) => {
    order.push('answer');
    done();
  });
  await fastify.listen({ port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(fastify.server.address() as AddressInfo).port}`;
  atEndOfFile(async () => {
    await fastify.close();
    await telemetry.shutdown();
  });
});

beforeEach(() => {
  [run, state, isDraining] = [double, SERVED, false];
});
afterEach(() => {
  begun.length = 0;
  [spans, bodies] = [[], []];
  vi.resetAllMocks();
});

const tensor = (name: string, rows: number): object => ({
  name,
  datatype: 'FP32',
  shape: [rows, 2],
  data: Array.from({ length: rows * 2 }, (_, index) => index),
});
const body = (more: object = {}): object => ({ inputs: [tensor('x', 2), tensor('y', 2)], ...more });
const post = (given: object | string, headers: Record<string, string> = {}, path = '/v2/models/double/infer') =>
  fetch(`${url}${path}`, {
    method: 'POST',
    headers,
    body: typeof given === 'string' ? given : JSON.stringify(given),
  });

describe('an infer request', () => {
  it.each(['/v2/models/double/infer', '/v2/models/double/infer/?x=1', '/v2/models/double/versions/1/infer'])(
    'to %s is answered with the outputs, the id and the timing',
    async (path) => {
      const response = await post(body({ id: 'Grüße', parameters: { priority: 7 } }), {}, path);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(response.headers.get('server-timing')).toBe('queue;dur=1, batch;dur=2;desc="4 rows", run;dur=3');
      const text = await response.text();
      expect(response.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
      expect(JSON.parse(text)).toEqual({
        model_name: 'double',
        model_version: '1',
        id: 'Grüße',
        outputs: [{ name: 'z', datatype: 'FP32', shape: [2, 2], data: [0, 2, 4, 6] }],
      });
      expect(begun).toMatchObject([{ request: { model: 'double', version: '1', pool: 'default', priority: 7 } }]);
    },
  );

  it.each([
    ['in pieces of any size', 20_000],
    ['in a piece', 2_000],
  ])('has binary inputs that come %s, and their memory is freed when they are unused', async (_, rows) => {
    const values = Float32Array.from({ length: 2 * rows }, (__, n) => n);
    const head = JSON.stringify({
      inputs: ['x', 'y'].map((name) => ({
        ...{ name, datatype: 'FP32', shape: [rows, 2] },
        parameters: { binary_data_size: values.byteLength },
      })),
      parameters: { binary_data_output: true },
    });
    let inputs: readonly Uint8Array[] = [];
    run = async (request) => {
      inputs = request.inputs.map(({ data }) => data);
      return double(request);
    };
    const given = Buffer.concat([Buffer.from(head), Buffer.from(values.buffer), Buffer.from(values.buffer)]);
    const response = await fetch(`${url}/v2/models/double/infer`, {
      method: 'POST',
      headers: { 'inference-header-content-length': String(head.length) },
      body: given,
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.subarray(-values.byteLength)).toEqual(Buffer.from(values.map((value) => 2 * value).buffer));
    expect(inputs.map(({ byteLength }) => byteLength)).toEqual([values.byteLength, values.byteLength]);
    begun[0]?.options.onInputsUnused?.();
    expect(inputs.map(({ byteLength }) => byteLength)).toEqual([0, 0]);
  });

  it.each(['/v2/models/other/infer', '/v2/models/double/infer'])(
    'to %s has its body freed when it is refused',
    async (path) => {
      const response = await fetch(`${url}${path}`, { method: 'POST', body: Buffer.alloc(900_000, 'x') });
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(bodies.map((own) => (own as Buffer).byteLength)).toEqual([0]);
    },
  );

  it('that is refused is answered in a later turn of the event loop, so that others have theirs', async () => {
    refusal = new SconceError('queue_full', 'Too much is waiting.', { details: { retryAfterSeconds: 1 } });
    order = [];
    try {
      const response = await post(body());
      expect(response.status).toBe(429);
      expect(order).toEqual(['turn', 'answer']);
    } finally {
      refusal = undefined;
    }
  });

  it('has no memory to free when it is small', async () => {
    await post(body());
    expect(begun[0]?.options.onInputsUnused).toBeUndefined();
  });

  it('gets binary outputs when it asks for them', async () => {
    const response = await post(body({ parameters: { binary_data_output: true } }));
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    const bytes = Buffer.from(await response.arrayBuffer());
    const data = bytes.subarray(Number(response.headers.get('inference-header-content-length')));
    expect([0, 4, 8, 12].map((at) => data.readFloatLE(at))).toEqual([0, 2, 4, 6]);
  });

  it('gets an answer that is not compressed, also when it asks for compression', async () => {
    const large = { inputs: [tensor('x', 2_000), tensor('y', 2_000)] };
    const response = await post(large, { 'accept-encoding': 'gzip' });
    expect(response.headers.get('content-encoding')).toBeNull();
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(10_000);
  });

  it.each([{}, { parameters: { binary_data_output: true } }])(
    '%j keeps its connection, but not while the server drains',
    async (more) => {
      expect((await post(body(more))).headers.get('connection')).toBe('keep-alive');
      isDraining = true;
      expect((await post(body(more))).headers.get('connection')).toBe('close');
      expect((await post('{')).headers.get('connection')).toBe('close');
    },
  );

  it.each([-1, 1.5, '5'])('with the timeout %s is refused', async (timeout) => {
    const response = await post(body({ parameters: { timeout } }));
    expect([response.status, await response.json()]).toMatchObject([400, { error: /timeout/ }]);
    expect(begun).toEqual([]);
  });

  it('ends after its own timeout, in microseconds, or after that of the server', async () => {
    const beganMs = Date.now();
    await post(body({ parameters: { timeout: 200_000 } }));
    await post(body());
    expect(begun[0]?.options.deadlineMs).toBeGreaterThanOrEqual(beganMs + 200);
    expect(begun[0]?.options.deadlineMs).toBeLessThan(beganMs + 4_000);
    expect(begun[1]?.options.deadlineMs).toBeGreaterThanOrEqual(beganMs + 5_000);
  });

  it.each<[string, object | string, string, number, RegExp]>([
    ['an unknown model', body(), '/v2/models/other/infer', 404, /no model other/],
    ['a body that is no JSON', '{', '/v2/models/double/infer', 400, /body is not JSON/],
    ['no body', '', '/v2/models/double/infer', 400, /empty/],
    ['rows that differ', { inputs: [tensor('x', 2), tensor('y', 1)] }, '/v2/models/double/infer', 400, /1 rows/],
    [
      'a body that is too large',
      'x'.repeat(1_000_001),
      '/v2/models/double/infer',
      413,
      /over its budget body_bytes.*allowed are 1000000.*SCONCE_MAX_BODY_BYTES/,
    ],
  ])('with %s is refused', async (_, given, path, status, message) => {
    const response = await post(given, {}, path);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      status,
      'application/json; charset=utf-8',
    ]);
    expect(await response.json()).toEqual({ error: expect.stringMatching(message) as string });
    expect(begun).toEqual([]);
  });

  it('to a model that is unloaded is refused', async () => {
    state = { ...SERVED, loaded: false };
    expect((await post(body())).status).toBe(503);
  });

  it('gets the error of what ran it, with the time to wait', async () => {
    run = () => Promise.reject(new SconceError('queue_full', 'full', { details: { retryAfterSeconds: 3 } }));
    const response = await post(body());
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '3']);
    expect(await response.json()).toEqual({ error: 'full' });
  });

  it('is given up when its caller disconnects, and only then', async () => {
    await post(body());
    run = () => new Promise(() => undefined);
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const text = JSON.stringify(body());
    socket.write(`POST /v2/models/double/infer HTTP/1.1\r\nhost: x\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
    await eventually(() => expect(begun).toHaveLength(2));
    socket.destroy();
    await once(socket, 'close');
    await eventually(() => expect(begun[1]?.giveUp).toHaveBeenCalledOnce());
    expect(begun[0]?.giveUp).not.toHaveBeenCalled();
  });
});

describe('the trace of a request', () => {
  it('costs no span when nobody records it, and has an id of its own in the answer', async () => {
    const traces = await Promise.all([post(body()), post(body())]);
    const [first, second] = traces.map((response) => response.headers.get('traceparent'));
    expect(first).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(second?.split('-')[1]).not.toBe(first?.split('-')[1]);
    expect(spans).toEqual([]);
    expect(begun.map(({ request }) => request.trace)).toEqual([undefined, undefined]);
  });

  it("is the caller's, also when the caller does not record it", async () => {
    const response = await post(body(), { traceparent: `${CALLER}-00` });
    expect(response.headers.get('traceparent')).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/);
    expect(spans).toEqual([]);
  });

  it('has spans when the caller records it, and goes on to what runs the request', async () => {
    const response = await post(body(), { traceparent: `${CALLER}-01` });
    expect(response.headers.get('traceparent')).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
    expect(spans).toContain('POST /v2/models/:model/infer');
    expect(begun[0]?.request.trace?.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  });
});

describe('a request that becomes a job', () => {
  it('is submitted when the caller prefers not to wait', async () => {
    jobs.submit.mockResolvedValue({
      id: 'j',
      model: 'double',
      version: '1',
      queue: 'q',
      status: 'queued',
      createdAtMs: 1_000,
      attachment: undefined,
    });
    const response = await post(body(), { prefer: 'wait=5, respond-async' });
    expect([response.status, response.headers.get('location')]).toEqual([202, '/v1/jobs/j']);
    expect(response.headers.get('preference-applied')).toBe('respond-async');
    expect(begun).toEqual([]);
  });

  it('is submitted once when it has an idempotency key', async () => {
    jobs.inferOnce.mockRejectedValue(new SconceError('idempotency_conflict', 'another request had this key'));
    expect((await post(body(), { 'idempotency-key': 'k' })).status).toBe(422);
    expect(jobs.inferOnce.mock.calls[0]?.[1]).toMatchObject({ idempotencyKey: 'k', url: '/v2/models/double/infer' });
    expect(begun).toEqual([]);
  });
});

it.each([
  ['queue_full', true],
  ['deadline_exceeded', true],
  // A worker counts it.
  ['invalid_input', false],
] as const)('counts a request that ends with %s: %s', async (code, isCounted) => {
  countedRequests = [];
  refusal = new SconceError(code, 'It did not work.');
  try {
    for (const flags of ['00', '01']) await post(body(), { traceparent: `${CALLER}-${flags}` });
  } finally {
    refusal = undefined;
  }
  const counted = { model: 'double', version: '1', failure: code, totalMs: expect.any(Number) as number };
  expect(countedRequests).toEqual(isCounted ? [counted, counted] : []);
});
