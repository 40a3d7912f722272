import { Redis } from 'ioredis';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { LANES } from '@sconce/contracts';
import type { Tensor } from '@sconce/tensor';
import { eventually, testRedis } from '@sconce/testing';
import { InferenceProducer } from '../producers/inference-producer.ts';
import type { InferenceRequest } from '../producers/inference-request.ts';
import { JobRecords } from './job-records.ts';
import { Keys } from '../redis/keys.ts';
import type { RequestHandler } from '../consumers/request-consumer.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { openRequestConsumer } from '../testing/open-consumer.ts';
import { ModelStatisticsWriter } from './model-statistics.ts';
import { queueConfigSchema, type QueueConfig } from '../queue-config.ts';
import { UsageNotes } from './version-usage.ts';

// Who uses a version, over a real Redis.

const { url, prefix } = testRedis();
const redis = new Redis(url);
afterAll(() => {
  redis.disconnect();
});
let systems = 0;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function newSystem(over: Partial<QueueConfig> = {}): {
  config: QueueConfig;
  keys: Keys;
  producer: InferenceProducer;
  records: JobRecords;
} {
  const config = queueConfigSchema.parse({ redisUrl: url, keyPrefix: `${prefix}-${systems++}`, ...over });
  const keys = new Keys(config.keyPrefix);
  const producer = new InferenceProducer(config);
  closers.push(() => producer.close());
  return {
    config,
    keys,
    producer,
    records: new JobRecords({ redis, keys, config: queueConfigSchema.parse({ resultTtlSeconds: 60 }) }),
  };
}

async function startConsumer(config: QueueConfig, handle: RequestHandler): Promise<void> {
  for (const lane of LANES) {
    const consumer = openRequestConsumer(config, { handle, lane });
    closers.push(() => consumer.close(5_000));
    await consumer.ready();
  }
}

const X: Tensor = { name: 'x', datatype: 'UINT8', shape: [1], data: new Uint8Array([1]) };
const request = (version = '1'): InferenceRequest => ({
  model: 'm',
  version,
  pool: 'default',
  inputs: [X],
  outputs: ['y'],
});
const ANSWER = { outputs: [{ ...X, name: 'y' }], timing: { queueMs: 0, batchMs: 0, runMs: 0, batchRows: 1 } };
const FAILED = { ok: false, error: { code: 'inference_failed', message: 'no' } } as const;
const noJobs = { unfinishedJobs: 0 };

describe('unfinished jobs', () => {
  const newJob = async (records: JobRecords, id: string, ttlSeconds = 60, version = '1'): Promise<void> => {
    await records.create({ id, model: 'm', version, queue: 'q', createdAtMs: 1, attachment: null }, ttlSeconds);
  };

  it('are counted for each version, once per job, however often it is created', async () => {
    const { producer, records } = newSystem();
    await Promise.all([
      newJob(records, 'a'),
      newJob(records, 'b'),
      newJob(records, 'a'),
      newJob(records, 'c', 60, '2'),
    ]);
    expect(await producer.usage('m', '1')).toEqual({ unfinishedJobs: 2 });
    expect(await producer.usage('m', '2')).toEqual({ unfinishedJobs: 1 });
    expect(await producer.usage('m', '3')).toEqual(noJobs);
    expect(await producer.usage('other', '1')).toEqual(noJobs);
  });

  it.each<[string, (records: JobRecords, id: string) => Promise<unknown>]>([
    ['succeed', (records, id) => records.finish(id, { ok: true, ...ANSWER })],
    ['fail', (records, id) => records.finish(id, FAILED)],
    ['are cancelled', (records, id) => records.cancel(id)],
    ['are forgotten', (records, id) => records.forget(id)],
  ])('are counted no more when they %s', async (_, end) => {
    const { producer, records, keys } = newSystem();
    await newJob(records, 'a');
    await newJob(records, 'b');
    await records.start('a');
    expect(await producer.usage('m', '1')).toEqual({ unfinishedJobs: 2 });
    // Two workers that had it, and a cancel: once is once.
    await Promise.allSettled([end(records, 'a'), end(records, 'a'), records.cancel('a')]);
    expect(await producer.usage('m', '1')).toEqual({ unfinishedJobs: 1 });
    await end(records, 'b');
    expect(await producer.usage('m', '1')).toEqual(noJobs);
    expect(await redis.exists(keys.unfinishedJobs('m', '1'))).toBe(0);
  });

  it('are counted no more when their record expires, and no key stays', async () => {
    const { producer, records, keys } = newSystem();
    await newJob(records, 'long', 60);
    await newJob(records, 'short', 1);
    expect(await producer.usage('m', '1')).toEqual({ unfinishedJobs: 2 });
    expect(await redis.ttl(keys.unfinishedJobs('m', '1'))).toBeGreaterThan(50);
    await eventually(
      async () => {
        expect(await producer.usage('m', '1')).toEqual({ unfinishedJobs: 1 });
      },
      { timeoutMs: 5_000 },
    );
    expect(await redis.exists(keys.job('short'))).toBe(0);
    expect(await redis.zcard(keys.unfinishedJobs('m', '1'))).toBe(1);
  });

  it('are counted from submission to the worker’s answer', async () => {
    const { config, producer } = newSystem();
    const gate = Promise.withResolvers<undefined>();
    for (let n = 0; n < 3; n++) await producer.submit(request(), { lane: 'batch' });
    expect(await producer.usage('m', '1')).toMatchObject({ unfinishedJobs: 3 });
    await startConsumer(config, async () => {
      await gate.promise;
      return ANSWER;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await producer.usage('m', '1')).toMatchObject({ unfinishedJobs: 3 });
    gate.resolve(undefined);
    await eventually(async () => {
      expect(await producer.usage('m', '1')).toMatchObject({ unfinishedJobs: 0 });
    });
  });
});

describe('the last request', () => {
  it('is remembered for each version, from any producer, and from submissions', async () => {
    const { config, producer } = newSystem();
    const other = new InferenceProducer(config);
    closers.push(() => other.close());
    await startConsumer(config, async () => ANSWER);
    expect(await other.usage('m', '1')).toEqual(noJobs);
    await producer.ping();
    const before = Date.now();
    await producer.infer(request(), { deadlineMs: Date.now() + 10_000 });
    await producer.submit(request('2'), { lane: 'online' });
    for (const version of ['1', '2']) {
      await eventually(async () => {
        const { lastRequestAtMs } = await other.usage('m', version);
        expect(lastRequestAtMs).toBeGreaterThanOrEqual(before);
        expect(lastRequestAtMs).toBeLessThanOrEqual(Date.now());
      });
    }
    expect(await other.usage('m', '3')).toEqual(noJobs);
    await producer.forgetVersion('m', '1');
    expect(await other.usage('m', '1')).toEqual(noJobs);
  });

  it('is now as long as a caller waits for an answer', async () => {
    const { producer } = newSystem();
    const caller = new AbortController();
    const waiting = producer.infer(request(), { deadlineMs: Date.now() + 60_000, signal: caller.signal });
    const refused = expect(waiting).rejects.toMatchObject({ code: 'job_cancelled' });
    const begun = Date.now();
    await eventually(
      async () => {
        expect((await producer.usage('m', '1')).lastRequestAtMs).toBeGreaterThan(begun + 1_500);
      },
      { timeoutMs: 10_000 },
    );
    caller.abort();
    await refused;
  });

  it('is also updated by the answer of a worker', async () => {
    const { config, producer } = newSystem();
    const connections = new WorkerConnections(config, () => undefined);
    const writer = new ModelStatisticsWriter(connections);
    closers.push(async () => {
      await writer.close();
      await connections.close();
    });
    const before = Date.now();
    writer.recordRequest({ model: 'm', version: '1', totalMs: 1, failure: 'internal' });
    await eventually(async () => {
      expect((await producer.usage('m', '1')).lastRequestAtMs).toBeGreaterThanOrEqual(before);
    });
    // A version that is registered has none of what its number was used for before.
    await producer.register({ v: 1, model: 'm', version: '1' });
    expect(await producer.usage('m', '1')).toEqual(noJobs);
  });

  it('costs a command a second, not one per request, and none when no request comes', async () => {
    const { keys } = newSystem();
    const own = new Redis(url);
    closers.push(async () => own.disconnect());
    await own.ping();
    let commands = 0;
    const counting = new Proxy(own, {
      get: (target, name) => {
        if (name !== 'pipeline') return Reflect.get(target, name) as unknown;
        return () => {
          const pipeline = target.pipeline();
          const set = pipeline.set.bind(pipeline) as (...args: unknown[]) => unknown;
          return Object.assign(pipeline, {
            set: (...args: unknown[]) => {
              commands += 1;
              return set(...args);
            },
          });
        };
      },
    });
    const notes = new UsageNotes({ redis: counting, keys, onError: () => undefined });
    for (let n = 0; n < 1_000; n++) notes.begin('m', '1')();
    expect(commands).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 3_200));
    // The one note of the second in which the rest came; then silence.
    expect(commands).toBe(2);
    notes.close();
  });
});
