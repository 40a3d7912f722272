import { getEventListeners } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { startRedisServer } from '@sconce/redis-server';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { eventually, failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { BatchProducer } from './batches/batch-producer.ts';
import { PlannerConsumer } from './consumers/planner-consumer.ts';
import type { InferenceProducer } from './producers/inference-producer.ts';
import { openConsumer } from './testing/open-consumer.ts';
import { CARRIERS, QueueSystem, increment, request, soon, tensor } from './testing/queue-system.ts';

// A caller's signal may live as long as its process. A wait that leaves its listener behind keeps memory until then.

failOnLeaks({ settleMs: 3_000 });
const system = new QueueSystem(testRedis());
afterEach(() => system.close());

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

it('every file that listens to a signal is tested, here', () => {
  const folder = fileURLToPath(new URL('.', import.meta.url));
  const waits = /addEventListener\(\s*'abort'|onabort|AbortSignal\.(any|timeout)|timers\/promises|once\(.*signal/;
  const files = globSync('**/*.ts', { cwd: folder }).filter((file) => !file.endsWith('.spec.ts'));
  expect(files.filter((file) => waits.test(readFileSync(join(folder, file), 'utf8'))).sort()).toEqual([
    'producers/inference-port.ts',
    'producers/online-requests.ts',
  ]);
});

describe.each(CARRIERS)('a request leaves no listener on its caller’s signal over the %s', (carrier) => {
  type Start = (signal: AbortSignal) => Promise<unknown>;
  const ask = (producer: InferenceProducer, signal: AbortSignal, ms = 10_000): Promise<unknown> =>
    producer.infer(request([tensor([1])]), { ...soon(ms), signal });

  /** Runs the wait, expects its end, and counts listeners during the wait and after it. */
  async function check(start: Start, end: string, during = 1): Promise<void> {
    const { signal } = new AbortController();
    const ended = start(signal).then(
      () => 'answered',
      (error: unknown) => (error as SconceError).code,
    );
    if (during > 0) await eventually(() => expect(listenersOf(signal)).toBe(during));
    expect(await ended).toBe(end);
    expect(listenersOf(signal)).toBe(0);
  }

  it('when it is answered, or fails', async () => {
    const config = await system.configFor(carrier);
    const producer = system.producer(config);
    let fails = false;
    await system.consumer(config, async (delivered) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (fails) throw new SconceError('invalid_tensor', 'bad');
      return increment(delivered);
    });
    await check((signal) => ask(producer, signal), 'answered');
    fails = true;
    await check((signal) => ask(producer, signal), 'invalid_tensor');
  });

  it('when no answer comes in time, the producer is full, or it closes', async () => {
    const producer = system.producer(await system.configFor(carrier, { maxOutstanding: 1 }));
    await check((signal) => ask(producer, signal, 200), 'deadline_exceeded');
    const waiting = ask(producer, new AbortController().signal).catch((error: SconceError) => error.code);
    await eventually(() => expect(producer.outstanding).toBe(1));
    await check((signal) => ask(producer, signal), 'queue_full', 0);
    await producer.close();
    expect(await waiting).toBe('shutting_down');
    await check((signal) => ask(producer, signal), 'shutting_down', 0);
    const closing = system.producer(await system.configFor(carrier));
    await check(
      async (signal) => {
        const asked = ask(closing, signal);
        await eventually(() => expect(listenersOf(signal)).toBe(1));
        await Promise.all([asked, closing.close()]);
      },
      'shutting_down',
      0,
    );
  });

  it('when it is aborted, before it starts or while it waits', async () => {
    const producer = system.producer(await system.configFor(carrier));
    const caller = new AbortController();
    const waiting = ask(producer, caller.signal).catch((error: SconceError) => error.code);
    await eventually(() => expect(listenersOf(caller.signal)).toBe(1));
    caller.abort();
    expect(await waiting).toBe('job_cancelled');
    expect(listenersOf(caller.signal)).toBe(0);
    await expect(ask(producer, caller.signal)).rejects.toMatchObject({ code: 'job_cancelled' });
    expect(listenersOf(caller.signal)).toBe(0);
  });

  it('when Redis goes away', async () => {
    const server = await startRedisServer({});
    system.onClose(() => server.stop());
    const producer = system.producer(await system.configFor(carrier, { redisUrl: server.url }));
    await eventually(async () => expect(await producer.ping()).toBe(true));
    server.kill('SIGKILL');
    await check((signal) => ask(producer, signal), 'redis_unavailable', 0);
  });
});

it('an upload leaves no listener on its caller’s signal, stored or failed', async () => {
  const store = await openBlobStore(storageConfigSchema.parse({ root: temporaryFolder('abort-listeners') }));
  const models = (): Promise<never> => Promise.reject(new Error('not asked for'));
  const producer = new BatchProducer({ config: system.config(), store, models, maxFileBytes: 10 });
  system.onClose(() => producer.close());
  const { signal } = new AbortController();
  const describeFile = () => ({ filename: 'f', purpose: 'batch' }) as const;
  await producer.createFile(Buffer.from('small'), describeFile, { signal });
  expect(listenersOf(signal)).toBe(0);
  await expect(producer.createFile(Buffer.alloc(100), describeFile, { signal })).rejects.toThrow();
  expect(listenersOf(signal)).toBe(0);
});

it('consuming batches leaves no listener on the signal of the consumer', async () => {
  const config = system.config();
  const signals: AbortSignal[] = [];
  const planners = new PlannerConsumer({
    handle: async (_job, signal) => {
      signals.push(signal);
      if (signals.length === 1) throw new Error('later');
    },
  });
  const consumer = openConsumer(config, 'planner', planners);
  system.onClose(() => consumer.close(5_000));
  const job = { v: 1, batchId: 'b', run: 1 } as const;
  await expect(planners.consume(job)).rejects.toThrow('later');
  await planners.consume(job);
  expect(signals.map(listenersOf)).toEqual([0, 0]);
});
