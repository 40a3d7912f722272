import { Writable } from 'node:stream';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { SconceError } from '@sconce/errors';
import { ModelDirectory } from '@sconce/models';
import {
  InferenceProducer,
  QueueConsumer,
  RequestConsumer,
  WorkerConnections,
  type DeliveredRequest,
} from '@sconce/queue';
import { createLogger, extractContext, startTelemetry } from '@sconce/telemetry';
import { decodeInferRequest, type Tensor } from '@sconce/tensor';
import { atEndOfFile, testRedis } from '@sconce/testing';
import { readConfig } from '../config.ts';
import type { InferenceCall } from './inference-call.ts';
import { InferenceService } from './inference.service.ts';
import { deadlineOf, type InferenceResult, type PreparedInference } from './prepared-inference.ts';
import { MODEL, SERVED, TIMING } from './testing/double-model.ts';

// The service with a real Redis, and a consumer that doubles the rows instead of a worker.

const context = extractContext({});

let manifest = MODEL;
let state = SERVED;
let service: InferenceService;
let producer: InferenceProducer;
/** What the worker does with a request. */
let work: (delivered: DeliveredRequest) => Promise<readonly Tensor[]>;
const delivered: DeliveredRequest[] = [];

const double = ({ inputs: [x] }: DeliveredRequest): Promise<readonly Tensor[]> => {
  const { shape = [], data = new Uint8Array() } = x ?? {};
  const values = new Float32Array(new Uint8Array(data).buffer).map((value) => 2 * value);
  return Promise.resolve([{ name: 'z', datatype: 'FP32', shape, data: new Uint8Array(values.buffer) }]);
};

beforeAll(async () => {
  const { url, prefix } = testRedis();
  const config = readConfig({ SCONCE_REDIS_URL: url, SCONCE_KEY_PREFIX: prefix, SCONCE_REQUEST_TIMEOUT_MS: '5000' });
  const logger = createLogger({ service: 'api', level: 'fatal', destination: new Writable() });
  const { traces } = config.telemetry;
  const telemetry = await startTelemetry({ service: 'api', version: '0', instanceId: 'inference', traces, logger });
  const onError = (): void => undefined;
  producer = new InferenceProducer(config.queue, { onError });
  const connections = new WorkerConnections(config.queue, onError);
  const consumers = (['online', 'batch'] as const).map((lane) => {
    const handle = async (
      request: DeliveredRequest,
    ): Promise<{ outputs: readonly Tensor[]; timing: typeof TIMING }> => {
      delivered.push(request);
      return { outputs: await work(request), timing: TIMING };
    };
    const requests = new RequestConsumer(connections, { lane, handle });
    return new QueueConsumer(connections, { queue: { pool: 'default', lane }, consumers: [requests] });
  });
  await Promise.all(consumers.map((consumer) => consumer.ready()));
  const directory = new ModelDirectory({
    repository: { get: () => Promise.resolve(manifest), state: () => Promise.resolve(state) },
    config: { ttlMs: 0, maxStaleMs: 0 },
  });
  service = new InferenceService(directory, producer, telemetry);
  atEndOfFile(async () => {
    await producer.close();
    await Promise.all(consumers.map((consumer) => consumer.close(1_000)));
    await connections.close();
    await telemetry.shutdown();
  });
});

afterEach(() => {
  [manifest, state, work] = [MODEL, SERVED, double];
  delivered.length = 0;
});
work = double;

const tensor = (name: string, rows: readonly number[][]): object => ({
  name,
  datatype: 'FP32',
  shape: [rows.length, 2],
  data: rows.flat(),
});
const ROWS = [
  [1, 2],
  [3, 4],
];

function callOf(body: object, more: Partial<InferenceCall> = {}): InferenceCall {
  return { url: '/v2/models/double/infer', body: Buffer.from(JSON.stringify(body)), ...more };
}

const request = (more: object = {}): object => ({ inputs: [tensor('x', ROWS), tensor('y', ROWS)], ...more });

function prepare(call: InferenceCall): Promise<PreparedInference> {
  return service.prepare('double', undefined, ({ signature }) => decodeInferRequest({ body: call.body, signature }));
}

async function inferOnce(call: InferenceCall, signal = new AbortController().signal): Promise<InferenceResult> {
  const prepared = await prepare(call);
  return service.inferOnce(prepared, call, { context, deadlineMs: deadlineOf(prepared, 5_000), signal });
}

const bodyOf = ({ response }: InferenceResult): unknown => JSON.parse(response.json as string);

describe('prepare', () => {
  it.each<[string, () => void, RegExp]>([
    ['is not ready', () => (manifest = { ...MODEL, status: 'compiling' }), /double is not ready/],
    ['is unloaded', () => (state = { ...SERVED, loaded: false }), /double" .*unloaded/],
    ['is in quarantine', () => (state = { ...SERVED, quarantined: { '1': 'hung' } }), /quarantine: hung/],
  ])('refuses a model that %s', async (_, arrange, message) => {
    arrange();
    const refused = prepare(callOf(request()));
    await expect(refused).rejects.toMatchObject({ code: 'model_not_ready', message: expect.stringMatching(message) });
  });

  it('refuses inputs with different numbers of rows', async () => {
    const body = { inputs: [tensor('x', ROWS), tensor('y', [[1, 2]])] };
    await expect(prepare(callOf(body))).rejects.toMatchObject({ code: 'invalid_tensor', details: { param: 'y' } });
  });

  it('queues nothing when a request is refused', async () => {
    await expect(prepare(callOf({ inputs: [] }))).rejects.toBeInstanceOf(SconceError);
    expect(delivered).toEqual([]);
  });
});

describe('infer with an idempotency key', () => {
  it('runs a repeated request once, and gives both callers its answer', async () => {
    const call = callOf(request({ id: 'r' }), { idempotencyKey: 'once' });
    const [first, second] = await Promise.all([inferOnce(call), inferOnce(call)]);
    expect(bodyOf(first)).toEqual(bodyOf(second));
    expect(bodyOf(first)).toMatchObject({ id: 'r', outputs: [{ data: [2, 4, 6, 8] }] });
    expect(bodyOf(await inferOnce(call))).toEqual(bodyOf(first));
    expect(delivered).toMatchObject([{ lane: 'online', request: { durable: true } }]);
  });

  it('does not run a request again whose result has expired before its key', async () => {
    const call = callOf(request(), { idempotencyKey: 'expired' });
    await inferOnce(call);
    vi.spyOn(producer, 'openResult').mockRejectedValueOnce(new SconceError('job_not_found', 'no result'));
    await expect(inferOnce(call)).rejects.toMatchObject({
      code: 'idempotency_conflict',
      message: expect.stringMatching(/"expired" has expired; use a new key/) as string,
    });
    expect(delivered).toHaveLength(1);
  });

  it('refuses another request with the same key', async () => {
    const keyed = { idempotencyKey: 'taken' };
    await inferOnce(callOf(request(), keyed));
    for (const other of [callOf(request({ id: 'other' }), keyed), { ...callOf(request(), keyed), url: '/other' }]) {
      await expect(inferOnce(other)).rejects.toMatchObject({ code: 'idempotency_conflict' });
    }
  });

  it('gives every caller the error of the worker', async () => {
    work = () => Promise.reject(new SconceError('inference_failed', 'the run failed'));
    const call = callOf(request(), { idempotencyKey: 'fails' });
    for (let attempt = 1; attempt <= 2; attempt++) {
      await expect(inferOnce(call)).rejects.toMatchObject({ code: 'inference_failed', message: 'the run failed' });
    }
    expect(delivered).toHaveLength(1);
  });

  it('stops waiting when the caller is gone or the timeout has passed, and the job goes on', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    work = async (given) => {
      await promise;
      return double(given);
    };
    const call = callOf(request({ parameters: { timeout: 100_000 } }), { idempotencyKey: 'slow' });
    await expect(inferOnce(call)).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await expect(inferOnce(call, AbortSignal.abort())).rejects.toMatchObject({ code: 'job_cancelled' });
    resolve();
    await expect.poll(async () => inferOnce(call).then(bodyOf, () => undefined)).toMatchObject({ outputs: [{}] });
    expect(delivered).toHaveLength(1);
  });
});

describe('submit and result', () => {
  it('leaves a job whose result is encoded as the request asked', async () => {
    const call = callOf(request({ id: 'r', outputs: [{ name: 'z', parameters: { binary_data: true } }] }));
    const job = await service.submit(await prepare(call), call, { context, lane: 'batch', scope: 'job' });
    expect(['queued', 'running', 'succeeded']).toContain(job.status);
    await expect.poll(async () => (await producer.job(job.id)).status).toBe('succeeded');
    const { response, timing } = await service.result(await producer.job(job.id));
    expect(timing).toEqual(TIMING);
    expect(response.binary.map(({ byteLength }) => byteLength)).toEqual([16]);
    expect(JSON.parse(response.json as string)).toMatchObject({
      id: 'r',
      outputs: [{ name: 'z', parameters: { binary_data_size: 16 } }],
    });
    expect(delivered).toMatchObject([{ lane: 'batch' }]);
  });

  it('has no result for a job that has not finished or was cancelled', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    work = async (given) => {
      await promise;
      return double(given);
    };
    const call = callOf(request());
    const { id } = await service.submit(await prepare(call), call, { context, lane: 'batch', scope: 'job' });
    await expect(service.result(await producer.job(id))).rejects.toMatchObject({ code: 'job_not_finished' });
    await producer.cancel(id);
    await expect(service.result(await producer.job(id))).rejects.toMatchObject({ code: 'job_cancelled' });
    resolve();
  });
});
