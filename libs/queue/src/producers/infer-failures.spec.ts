import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { startRedisServer } from '@sconce/redis-server';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { MAX_DELIVERIES } from '../queue-options.ts';
import { CARRIERS, QueueSystem, increment, request, soon, tensor } from '../testing/queue-system.ts';

// Requests while handlers fail, workers die and Redis is away.

// ioredis keeps a timer for 2 s when it is closed while Redis is away.
failOnLeaks({ settleMs: 3_000 });
const { url, prefix } = testRedis();
const system = new QueueSystem({ url, prefix });
afterEach(() => system.close());

describe.each(CARRIERS)('infer, when something fails over the %s', (carrier) => {
  it('returns a final error at once, and runs a request again after a temporary error', async () => {
    const config = await system.configFor(carrier);
    const producer = system.producer(config);
    let deliveries = 0;
    await system.consumer(config, async (delivered) => {
      const kind = delivered.inputs[0]?.data[0];
      if (kind === 1) throw new SconceError('invalid_tensor', 'no good', { details: { param: 'x' } });
      if (kind === 2 && (deliveries += 1) < 3) throw new SconceError('thread_crashed', 'oops');
      if (kind === 3) throw new SconceError('thread_crashed', 'always');
      return increment(delivered);
    });
    await expect(producer.infer(request([tensor([1])]), soon())).rejects.toMatchObject({
      code: 'invalid_tensor',
      details: { param: 'x' },
    });
    const { outputs } = await producer.infer(request([tensor([2])]), soon());
    expect([[...outputs[0]!.data], deliveries]).toEqual([[3], 3]);
    await expect(producer.infer(request([tensor([3])]), soon())).rejects.toMatchObject({ code: 'thread_crashed' });
  });

  it('survives a Redis that restarts and has forgotten everything', async () => {
    const server = await startRedisServer({});
    system.onClose(() => server.stop());
    const config = await system.configFor(carrier, { redisUrl: server.url });
    const producer = system.producer(config);
    const gate = Promise.withResolvers<void>();
    let held = 0;
    await system.consumer(config, async (delivered) => {
      if (delivered.inputs[0]?.data[0] === 9 && (held += 1) === 1) await gate.promise;
      return increment(delivered);
    });
    await producer.infer(request([tensor([1])]), soon());
    const across = producer.infer(request([tensor([9])]), soon(20_000));
    await eventually(() => {
      expect(held).toBe(1);
    });
    await server.restart();
    gate.resolve();
    const answer = await across;
    expect([...answer.outputs[0]!.data]).toEqual([10]);
    expect([...(await producer.infer(request([tensor([3])]), soon())).outputs[0]!.data]).toEqual([4]);
  });

  it('answers redis_unavailable within seconds while Redis is away', async () => {
    const server = await startRedisServer({});
    const producer = system.producer(await system.configFor(carrier, { redisUrl: server.url }));
    await eventually(async () => {
      expect(await producer.ping()).toBe(true);
    });
    await server.stop();
    const started = Date.now();
    await expect(producer.infer(request([tensor([1])]), soon(30_000))).rejects.toMatchObject({
      code: 'redis_unavailable',
    });
    expect(Date.now() - started).toBeLessThan(10_000);
    expect(await producer.ping()).toBe(false);
  });
});

it('a queue job ends with worker_lost when the worker of every delivery dies', async () => {
  const config = await system.configFor('queue');
  const producer = system.producer(config);
  // The count of deliveries says that MAX_DELIVERIES workers took this job and died.
  const answer = producer.infer(request([tensor([1])]), soon());
  const redis = new Redis(url);
  try {
    await eventually(async () => {
      const [job] = await redis.lrange(`${config.keyPrefix}:bull:sconce.default.online:wait`, 0, -1);
      expect(job).toBeDefined();
      await redis.hset(`${config.keyPrefix}:bull:sconce.default.online:${job}`, 'ats', MAX_DELIVERIES);
    });
    let ran = false;
    await system.consumer(config, async (delivered) => {
      ran = true;
      return increment(delivered);
    });
    await expect(answer).rejects.toMatchObject({ code: 'worker_lost' });
    expect(ran).toBe(false);
  } finally {
    redis.disconnect();
  }
});

it('answers in time when Redis takes the connection and says nothing, also while the pool is not known', async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  system.onClose(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const producer = system.producer(system.config({ redisUrl: `redis://127.0.0.1:${port}` }));
  const answer = producer.infer(request([tensor([1])]), soon(500));
  const later = new Promise((resolve) => setTimeout(() => resolve('no answer'), 2_500));
  const code = answer.catch((error: unknown) => (error as SconceError).code);
  expect(await Promise.race([code, later])).toBe('deadline_exceeded');
}, 20_000);
