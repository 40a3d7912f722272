import type { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { Queue } from 'bullmq';
import { inferJobSchema, type InferJob } from '@sconce/contracts';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { laneQueueName } from '../queue-names.ts';
import { jobOptionsOf } from '../queue-options.ts';
import type { ConnectionCount } from '../redis/connection-count.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { QueueSystem, increment, request, tensor } from '../testing/queue-system.ts';
import { QueueConsumer } from './queue-consumer.ts';
import { RequestConsumer } from './request-consumer.ts';

// What one connection writes before and after a failover: the new primary may have the second write only.

failOnLeaks({ settleMs: 3_000 });
const system = new QueueSystem(testRedis());
afterEach(() => system.close());

const QUEUE = { pool: 'default', lane: 'batch' } as const;
const NAME = laneQueueName(QUEUE.pool, QUEUE.lane);
const DELIVERY = { addedAtMs: 0, takenAtMs: 0, delivery: 1, failures: 0, workersLost: 0, maxFailures: 4 };

function connect(config = system.config()): WorkerConnections {
  const connections = new WorkerConnections(config, () => undefined);
  system.onClose(() => connections.close());
  return connections;
}

function openQueue({ patient: connection, keys }: WorkerConnections): Queue {
  const queue = new Queue(NAME, { connection, prefix: keys.bullmq });
  system.onClose(() => queue.close());
  return queue;
}

async function reconnect(redis: Redis, count: ConnectionCount): Promise<void> {
  const before = count.value;
  redis.disconnect(true);
  await eventually(() => expect(count.value).toBe(before + 1));
}

describe('the end of a job', () => {
  it('is written again if the connection has changed since, after the queue has removed the job', async () => {
    const config = system.config();
    const producer = system.producer(config);
    const connections = connect(config);
    const { patient: redis, keys, count } = connections;
    const { id } = await producer.submit(request([tensor([1])]), { lane: 'batch' });
    const job: InferJob = inferJobSchema.parse((await openQueue(connections).getJob(id))?.data);
    const requests = new RequestConsumer(connections, { lane: 'batch', handle: increment });
    const confirm = await requests.consume(job, { ...DELIVERY, started: () => undefined });
    const status = (): Promise<string | null> => redis.hget(keys.job(id), 'status');
    expect(await status()).toBe('succeeded');
    // What a primary has that did not get the end.
    const lose = (): Promise<unknown> =>
      redis.multi().hset(keys.job(id), 'status', 'running').del(keys.result(id)).exec();
    await lose();
    await confirm!();
    expect(await status()).toBe('running');
    await reconnect(redis, count);
    await confirm!();
    expect(await status()).toBe('succeeded');
    expect((await producer.result(id)).map(({ data }) => [...data])).toEqual([[2]]);
    await lose();
    await confirm!();
    expect(await status()).toBe('running');
  });

  it('is confirmed when the queue has removed the job, also while the consumer closes', async () => {
    const connections = connect();
    const queue = openQueue(connections);
    const seen: string[] = [];
    const consumer = {
      jobName: 'work',
      schema: z.object({ v: z.literal(1) }),
      consume: () =>
        Promise.resolve(async () => {
          seen.push((await queue.getJob('one')) === undefined ? 'removed' : 'still there');
        }),
      abandon: () => Promise.resolve(),
    };
    const consumers = new QueueConsumer(connections, { queue: QUEUE, consumers: [consumer] });
    await consumers.ready();
    await queue.add('work', { v: 1 }, { ...jobOptionsOf('batch'), jobId: 'one' });
    await eventually(() => expect(seen).toEqual(['removed']));
    await consumers.close(5_000);
  });
});

it('repeats writes that belong together until one connection has made all of them', async () => {
  const { patient: redis, count } = connect();
  await redis.ping();
  let runs = 0;
  const write = async (): Promise<number> => {
    runs += 1;
    if (runs < 3) await reconnect(redis, count);
    return runs;
  };
  expect(await count.onOne(write)).toBe(3);
  expect(await count.onOne(() => Promise.resolve('once'))).toBe('once');
});
