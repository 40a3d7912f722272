import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { readVersionUsage } from '../records/version-usage.ts';
import { Keys } from '../redis/keys.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { QueueSystem, increment, request, tensor } from '../testing/queue-system.ts';
import { LostJobs } from './lost-jobs.ts';
import { QueueConsumer } from './queue-consumer.ts';
import { RequestConsumer } from './request-consumer.ts';

// Jobs whose queue job is gone are ended, over a real Redis.

failOnLeaks({ settleMs: 3_000 });
const system = new QueueSystem(testRedis());
afterEach(() => system.close());

it('lost jobs fail once with worker_lost, and free what was counted for them, however many workers look', async () => {
  const config = system.config({ lostJobSeconds: 1, maxUnfinishedPerOwner: 2, maxQueuedBytesPerOwner: 100_000 });
  const keys = new Keys(config.keyPrefix);
  const redis = new Redis(config.redisUrl);
  system.onClose(() => redis.quit());
  const producer = system.producer(config);
  const own = { ...request([tensor(Array.from({ length: 30_000 }, () => 1))]), owner: 'team' };
  const submit = async (): Promise<string> => (await producer.submit(own, { lane: 'batch' })).id;
  const [lost, kept] = [await submit(), await submit()];
  await expect(submit()).rejects.toMatchObject({ code: 'rate_limited' });
  await redis.del(`${keys.bullmq}:sconce.default.batch:${lost}`);

  const ended: string[] = [];
  for (const _ of [1, 2]) {
    const connections = new WorkerConnections(config, () => undefined);
    const jobs = new LostJobs(connections, { consumers: [], onEnded: (id) => ended.push(id), everyMs: 50 });
    jobs.start();
    system.onClose(async () => {
      jobs.stop();
      await connections.close();
    });
  }
  // The first look comes after half a minute.
  await redis.zadd(keys.watchedJobs(), 1, lost, 1, kept);
  await eventually(async () => expect((await producer.job(lost)).status).toBe('failed'), { timeoutMs: 10_000 });
  const { error } = await producer.job(lost);
  expect(error?.code).toBe('worker_lost');
  expect(error?.message).toContain(lost);
  await eventually(() => expect(ended).toEqual([lost]));
  expect([await redis.exists(keys.payload(lost)), await redis.exists(keys.payload(kept))]).toEqual([0, 1]);
  expect(await readVersionUsage(redis, keys, { model: 'm', version: '1' })).toMatchObject({ unfinishedJobs: 1 });
  expect(await redis.hget(keys.queuedBytes(), 'team')).toBe('30000');

  await system.consumer(config, increment, 'batch');
  await eventually(async () => expect((await producer.job(kept)).status).toBe('succeeded'));
  expect(await redis.zcard(keys.watchedJobs())).toBe(0);
  await submit();
});

it('a job that a worker runs gives its result, though its queue job is missing', async () => {
  const config = system.config({ lostJobSeconds: 1 });
  const keys = new Keys(config.keyPrefix);
  const redis = new Redis(config.redisUrl);
  system.onClose(() => redis.quit());
  const producer = system.producer(config);
  const gate = Promise.withResolvers<void>();
  const connections = new WorkerConnections(config, () => undefined);
  const requests = new RequestConsumer(connections, {
    lane: 'batch',
    handle: async (delivered) => {
      await gate.promise;
      return increment(delivered);
    },
  });
  const queue = { pool: 'default', lane: 'batch' } as const;
  const consumer = new QueueConsumer(connections, { queue, consumers: [requests], concurrency: 4 });
  const jobs = new LostJobs(connections, { consumers: [requests], everyMs: 50 });
  jobs.start();
  system.onClose(async () => {
    jobs.stop();
    await consumer.close(5_000);
    await connections.close();
  });
  const { id } = await producer.submit(request([tensor([4])]), { lane: 'batch' });
  await eventually(async () => expect((await producer.job(id)).status).toBe('running'));
  await redis.del(`${keys.bullmq}:sconce.default.batch:${id}`);
  const announced = async (): Promise<void> => {
    await redis.zadd(keys.watchedJobs(), 1, id);
    await eventually(async () => expect(Number(await redis.zscore(keys.watchedJobs(), id))).toBeGreaterThan(1));
  };
  for (const _ of [1, 2, 3]) await announced();
  gate.resolve();
  await eventually(async () => expect((await producer.job(id)).status).toBe('succeeded'));
});
