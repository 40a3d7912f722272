import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { startRedisServer } from '@sconce/redis-server';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { CARRIERS, QueueSystem, increment, request, soon, tensor } from '../testing/queue-system.ts';

// Requests and answers over a real Redis, as callers of the producer see them.

// ioredis keeps a timer for 2 s when it is closed while Redis is away.
failOnLeaks({ settleMs: 3_000 });
const { url, prefix } = testRedis();
const system = new QueueSystem({ url, prefix });
afterEach(() => system.close());

describe.each(CARRIERS)('infer over the %s', (carrier) => {
  it('answers each of many concurrent requests with its own result, merged into few jobs', async () => {
    const config = await system.configFor(carrier);
    const producer = system.producer(config);
    let jobs = 0;
    const seen = new Set<number>();
    await system.consumer(config, async (delivered) => {
      if (!seen.has(delivered.takenAtMs)) jobs += 1;
      seen.add(delivered.takenAtMs);
      return increment(delivered);
    });
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const { outputs } = await producer.infer(request([tensor([n % 250, 7])]), soon());
        return [...outputs[0]!.data];
      }),
    );
    expect(answers).toEqual(Array.from({ length: 200 }, (_, n) => [(n % 250) + 1, 8]));
    expect(jobs).toBeLessThan(20);
    expect(producer.outstanding).toBe(0);
  });

  it('gives the worker the priority of each request', async () => {
    const config = await system.configFor(carrier);
    const producer = system.producer(config);
    const seen: (number | undefined)[] = [];
    await system.consumer(config, async (delivered) => {
      seen.push(delivered.request.priority);
      return increment(delivered);
    });
    await Promise.all([
      producer.infer({ ...request([tensor([1])]), priority: 3 }, soon()),
      producer.infer(request([tensor([2])]), soon()),
    ]);
    expect(seen).toEqual([3, undefined]);
  });

  it('costs Redis a bounded number of commands for a request alone, and few for one among many', async () => {
    const server = await startRedisServer({});
    system.onClose(() => server.stop());
    const config = await system.configFor(carrier, { redisUrl: server.url });
    const producer = system.producer(config);
    await system.consumer(config, increment);
    const redis = new Redis(server.url);
    system.onClose(async () => {
      redis.disconnect();
    });
    /** Commands per request that `work` caused, including those within scripts, and scripts per request. */
    const cost = async (requests: number, work: () => Promise<unknown>) => {
      await redis.config('RESETSTAT');
      await work();
      // After an answer, the job is completed and the consumer looks for another job.
      await new Promise((resolve) => setTimeout(resolve, 200));
      const stats = await redis.info('stats');
      const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0;
      const commands = /total_commands_processed:(\d+)/.exec(stats)?.[1];
      return { commands: Number(commands) / requests, scripts: Number(calls) / requests };
    };
    const one = (): Promise<unknown> => producer.infer(request([tensor([1])]), soon());
    await one();
    const alone = await cost(20, async () => {
      for (let n = 0; n < 20; n++) await one();
    });
    const most = carrier === 'stream' ? { scripts: 0, commands: 8 } : { scripts: 6, commands: 70 };
    expect(alone.scripts).toBeLessThanOrEqual(most.scripts);
    expect(alone.commands).toBeLessThanOrEqual(most.commands);
    const lane = async (): Promise<void> => {
      for (let n = 0; n < 20; n++) await one();
    };
    const together = await cost(64 * 20, () => Promise.all(Array.from({ length: 64 }, lane)));
    expect(together.scripts).toBeLessThanOrEqual(0.25);
    expect(together.commands).toBeLessThanOrEqual(3);
  });

  it('answers over a stream that expires by itself, also after the stream was lost', async () => {
    const config = await system.configFor(carrier);
    const producer = system.producer(config);
    await system.consumer(config, increment);
    const redis = new Redis(url);
    system.onClose(async () => {
      redis.disconnect();
    });
    for (let times = 0; times < 3; times++) {
      for (let n = 0; n < 3; n++) await producer.infer(request([tensor([n])]), soon());
      const [stream = ''] = await redis.keys(`${config.keyPrefix}*replies*`);
      const ttl = await redis.ttl(stream);
      expect([stream === '', ttl > 0, ttl <= 120]).toEqual([false, true, true]);
      await redis.del(stream);
    }
  });

  it('carries tensors too large for the job under a key of their own, and removes that key', async () => {
    const config = await system.configFor(carrier);
    const producer = system.producer(config);
    await system.consumer(config, increment);
    const large = tensor(Array.from({ length: 300_000 }, (_, n) => n % 200));
    const { outputs } = await producer.infer(request([large]), soon());
    expect(Buffer.from(outputs[0]!.data)).toEqual(Buffer.from(large.data.map((byte) => byte + 1)));
    // Written in pieces, among other commands on the same connection.
    const sizes = [1, 100_000, 20_000, 3, 700_001, 16_400];
    const answers = await Promise.all(
      sizes.map(async (size, n) => {
        const values = tensor(Array.from({ length: size }, (_, i) => (i + n) % 200));
        const answer = await producer.infer({ ...request([values, values]), model: `m${n}` }, soon());
        return Buffer.compare(
          answer.outputs[0]!.data,
          values.data.map((byte) => byte + 1),
        );
      }),
    );
    expect(answers).toEqual(sizes.map(() => 0));
    const redis = new Redis(url);
    try {
      await eventually(async () => {
        expect(await redis.keys(`${config.keyPrefix}*payload*`)).toEqual([]);
      });
    } finally {
      redis.disconnect();
    }
  });
});
