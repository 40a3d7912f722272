import { Redis } from 'ioredis';
import { afterAll, afterEach, expect, it } from 'vitest';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { Keys } from '../redis/keys.ts';
import { QueueSystem, increment, request, soon, tensor } from '../testing/queue-system.ts';
import { readPoolBacklog } from './pool-backlog.ts';

failOnLeaks();
const testing = testRedis();
const redis = new Redis(testing.url);
afterAll(() => redis.disconnect());
const system = new QueueSystem(testing);
afterEach(() => system.close());

it('the backlog of a pool includes the entries that producers hold back, until they are sent', async () => {
  const config = system.config();
  const keys = new Keys(config.keyPrefix);
  const waiting = async (): Promise<number> =>
    (await readPoolBacklog(redis, keys, { pool: 'default', unfinished: [] })).waiting;
  const producers = [system.producer(config), system.producer(config)];
  const answers = producers.flatMap((producer) =>
    Array.from({ length: 300 }, (_, n) => producer.infer(request([tensor([n % 200])]), soon(20_000))),
  );
  // 300 requests of each producer: two entries of 64 in the stream, and three more to come.
  await eventually(async () => expect(await waiting()).toBe(2 * (2 + 3)));
  expect(await redis.xlen(keys.onlineStream('default'))).toBe(4);
  expect(await redis.zcard(keys.producerBacklog('default'))).toBe(6);
  expect(await redis.pttl(keys.producerBacklog('default'))).toBeGreaterThan(1_000);
  await system.consumer(config, increment);
  await Promise.all(answers);
  await eventually(async () => expect(await waiting()).toBe(0));
  expect(await redis.exists(keys.producerBacklog('default'))).toBe(0);
});

it('a producer that closes takes its part out, and the part of a dead producer expires', async () => {
  const config = system.config();
  const keys = new Keys(config.keyPrefix);
  const key = keys.producerBacklog('default');
  await redis.zadd(key, Date.now() - 1, 'dead:0', Date.now() + 60_000, 'alive:0');
  const producer = system.producer(config);
  const answers = Array.from({ length: 300 }, () => producer.infer(request([tensor([1])]), soon(20_000)));
  const ended = Promise.allSettled(answers);
  await eventually(async () => expect(await redis.zcard(key)).toBe(4));
  expect(await redis.zscore(key, 'dead:0')).toBeNull();
  await producer.close();
  await ended;
  expect(await redis.zrange(key, '0', '-1')).toEqual(['alive:0']);
});
