import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, expect, it } from 'vitest';
import { eventually, testRedis } from '@sconce/testing';
import { InferenceProducer } from '../producers/inference-producer.ts';
import { Keys } from '../redis/keys.ts';
import { queueConfigSchema } from '../queue-config.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { takeQueueSnapshot } from './queue-snapshot.ts';
import { WorkerReporter } from './worker-reporter.ts';

const { url, prefix } = testRedis();
const redis = new Redis(url);
const keys = new Keys(prefix);
afterAll(() => {
  redis.disconnect();
});

const config = queueConfigSchema.parse({ redisUrl: url, keyPrefix: prefix });

it('counts every queue by state, gives the age of the next job, and knows pools by their workers or their use', async () => {
  const empty = await takeQueueSnapshot(redis, keys);
  expect(empty.pools).toEqual([]);
  expect(empty.queues.map(({ queue }) => queue)).toEqual(['sconce.registration', 'sconce.planner', 'sconce.webhooks']);
  expect(empty.queues[0]).toMatchObject({
    jobs: { waiting: 0, prioritized: 0, delayed: 0, active: 0 },
    oldestAgeMs: 0,
  });
  expect(empty.memory?.usedBytes).toBeGreaterThan(100_000);

  const batch = new Queue('sconce.gpu.batch', { connection: redis, prefix: keys.bullmq });
  const now = Date.now();
  const add = (timestamp: number, options: object = {}) => batch.add('chunk', {}, { timestamp, ...options });
  await add(now - 60_000);
  await add(now - 5_000);
  await add(now - 90_000, { priority: 9 });
  await add(now - 30_000, { priority: 3 });
  await add(now - 99_000, { delay: 3_600_000 });
  const connections = new WorkerConnections(config, () => undefined);
  const reporter = new WorkerReporter(connections, { pool: 'gpu', id: 'w1', slots: 2, threads: 2 });
  const producer = new InferenceProducer(config);
  const inputs = [{ name: 'x', datatype: 'UINT8' as const, shape: [1], data: new Uint8Array(1) }];
  await producer.submit({ model: 'm', version: '1', pool: 'default', inputs, outputs: ['y'] }, { lane: 'online' });
  // A pool is known by a worker that has reported, or by a job that was submitted to it.
  await eventually(async () => expect((await producer.queueSnapshot())?.pools).toHaveLength(2));
  const snapshot = await takeQueueSnapshot(redis, keys);
  await reporter.close();
  await connections.close();
  expect((await producer.queueSnapshot())?.pools).toMatchObject([{ workers: 0 }, { pool: 'gpu', workers: 0 }]);
  expect(snapshot.pools).toEqual([
    { pool: 'default', workers: 0, backlogSeconds: 1 },
    { pool: 'gpu', workers: 1, backlogSeconds: 5 },
  ]);
  const byName = new Map(snapshot.queues.map((own) => [own.queue, own]));
  expect(byName.get('sconce.default.online')).toMatchObject({ jobs: { waiting: 1 } });
  const gpu = byName.get('sconce.gpu.batch');
  expect(gpu?.jobs).toEqual({ waiting: 2, prioritized: 2, delayed: 1, active: 0 });
  // The oldest job without a priority; the next job with one is younger.
  expect(gpu?.oldestAgeMs).toBeGreaterThanOrEqual(60_000);
  expect(gpu?.oldestAgeMs).toBeLessThan(89_000);
  await producer.close();
  expect(await producer.queueSnapshot()).toBeUndefined();
  await batch.close();
});
