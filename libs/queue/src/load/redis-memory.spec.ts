import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import { openBlobStore, storageConfigSchema, type BlobStore } from '@sconce/storage';
import type { Tensor } from '@sconce/tensor';
import { eventually, temporaryFolder } from '@sconce/testing';
import { BatchProducer } from '../batches/batch-producer.ts';
import { InferenceProducer } from '../producers/inference-producer.ts';
import { queueConfigSchema, type QueueConfig } from '../queue-config.ts';
import { JobRecords } from '../records/job-records.ts';
import { Keys } from '../redis/keys.ts';
import { increment, request, soon, tensor } from '../testing/queue-system.ts';
import { openRequestConsumer } from '../testing/open-consumer.ts';

// Redis near and at its maxmemory: new work is refused before, and what was accepted is read, cancelled, deleted and ended.

const MIB = 1024 ** 2;
const closers: (() => Promise<unknown>)[] = [];
let server: RedisServer;
let redis: Redis;
let config: QueueConfig;
let store: BlobStore;
let producer: InferenceProducer;
let batches: BatchProducer;

beforeAll(async () => {
  server = await startRedisServer();
  redis = new Redis(server.url);
  config = queueConfigSchema.parse({ redisUrl: server.url });
  store = await openBlobStore(storageConfigSchema.parse({ root: temporaryFolder('memory') }));
  producer = new InferenceProducer(config, { store });
  const models = async (name: string) => ({ name, version: '1', pool: 'default' });
  batches = new BatchProducer({ config, store, models, maxFileBytes: MIB });
  closers.push(
    () => producer.close(),
    () => batches.close(),
  );
});
afterAll(async () => {
  for (const close of closers.reverse()) await close();
  redis.disconnect();
  await server.stop();
});

/** Data of that size, so that buffers of connections, which come and go, are a small share of the memory. */
const BALLAST_BYTES = 64 * MIB;

/** Sets `maxmemory` so that Redis uses such a share of it. */
async function useShare(share: number): Promise<void> {
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
  await redis.config('SET', 'maxmemory', String(Math.floor(used / share)));
}
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'accepted',
    (error: unknown) => (error instanceof SconceError ? [error.code, error.details['retryAfterSeconds']] : error),
  );
const row = tensor([1, 2]);
const submit = (): Promise<{ id: string }> => producer.submit(request([row]), { lane: 'batch' });
const upload = () => batches.createFile(Buffer.from('a\n1\n'), () => ({ filename: 'a.csv', purpose: 'batch' }));
const score = async (fileId: string) => batches.submit({ model: 'm', input_file_id: fileId });
const refusals = async (fileId: string, batchId: string): Promise<Record<string, unknown>> => ({
  retry: await codeOf(batches.retry(batchId)),
  infer: await codeOf(producer.infer(request([row]), soon(200))),
  job: await codeOf(submit()),
  file: await codeOf(upload()),
  batch: await codeOf(score(fileId)),
  push: await codeOf((async () => producer.checkRoom())()),
});

it('refuses new work from 85 % on, and accepts it again below 80 %', { timeout: 30_000 }, async () => {
  const { id: fileId } = await upload();
  const { id: batchId } = await score(fileId);
  await redis.setrange('ballast', BALLAST_BYTES, 'x');
  await useShare(0.9);
  const refused = ['queue_full', 5];
  await eventually(async () => {
    expect(await refusals(fileId, batchId)).toEqual({
      infer: refused,
      retry: refused,
      job: refused,
      file: refused,
      batch: refused,
      push: refused,
    });
  });
  await useShare(0.82);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(await codeOf(submit())).toEqual(refused);
  await useShare(0.5);
  await eventually(async () => expect(await codeOf(submit())).toBe('accepted'));
  expect(await codeOf(upload())).toBe('accepted');
});

it('counts the bytes of the work that it admits between two readings', { timeout: 30_000 }, async () => {
  await redis.del('ballast');
  await redis.config('SET', 'maxmemory', String(64 * MIB));
  const x: Tensor = { name: 'x', datatype: 'UINT8', shape: [16 * MIB], data: new Uint8Array(16 * MIB) };
  const large = (): Promise<unknown> => codeOf(producer.submit(request([x]), { lane: 'batch' }));
  await eventually(async () => expect(await large()).toBe('accepted'));
  // 54 MiB are 85 %: two more fit.
  const answers = await Promise.all(Array.from({ length: 5 }, large));
  expect(answers.filter((answer) => answer !== 'accepted').length).toBeGreaterThanOrEqual(3);
  expect(answers).toContainEqual(['queue_full', 5]);
});

it('reads, cancels, deletes and ends while Redis takes no writes', { timeout: 30_000 }, async () => {
  await redis.config('SET', 'maxmemory', '0');
  await eventually(async () => expect(await codeOf(submit())).toBe('accepted'));
  const storedBytes = (): Promise<string | null> => redis.hget('sconce:stored-bytes', '*');
  const before = await storedBytes();
  const records = new JobRecords({ redis, keys: new Keys(''), config, store });
  const newJob = async (): Promise<string> => {
    const id = randomUUID();
    await records.create({ id, model: 'm', version: '1', queue: 'q', createdAtMs: 5, attachment: null }, 60);
    return id;
  };
  const [waiting, running, failing, ended] = [(await submit()).id, await newJob(), await newJob(), await newJob()];
  const outcome = { ok: true, outputs: [row], timing: { queueMs: 0, batchMs: 0, runMs: 0, batchRows: 1 } } as const;
  await records.finish(ended, outcome);
  const file = await upload();
  const batch = await score(file.id);

  await useShare(1.5);
  await expect(redis.set('x', '1')).rejects.toThrow('OOM');
  expect(await producer.job(waiting)).toMatchObject({ status: 'queued' });
  expect(await producer.cancel(waiting)).toBe('cancelled');
  expect((await batches.cancel(batch.id)).status).toBe('cancelling');
  expect(await records.start(running)).toBe(true);
  expect(await records.finish(running, outcome)).toBe(true);
  expect((await records.result(running))?.map(({ data }) => [...data])).toEqual([[1, 2]]);
  expect(await records.finish(failing, { ok: false, error: { code: 'invalid_tensor', message: 'no' } })).toBe(true);
  for (const id of [ended, running, failing, waiting]) await producer.cancelOrRemove(id);
  await batches.deleteFile(file.id);
  expect(await storedBytes()).toBe(before);
});

it('writes a reply as soon as Redis has memory for it', { timeout: 30_000 }, async () => {
  await redis.config('SET', 'maxmemory', '0');
  const running = Promise.withResolvers<void>();
  const full = Promise.withResolvers<void>();
  const consumer = openRequestConsumer(config, {
    lane: 'online',
    handle: async (delivered) => {
      running.resolve();
      await full.promise;
      return increment(delivered);
    },
  });
  closers.push(() => consumer.close(1_000));
  await consumer.ready();
  await eventually(async () => expect(await codeOf(submit())).toBe('accepted'));
  const answer = producer.infer(request([row]), soon(20_000));
  await running.promise;
  await useShare(1.5);
  full.resolve();
  await new Promise((resolve) => setTimeout(resolve, 500));
  await redis.config('SET', 'maxmemory', '0');
  expect(await answer).toMatchObject({ outputs: [{ data: Buffer.from([2, 3]) }] });
});
