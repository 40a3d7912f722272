import { once } from 'node:events';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { startRedisServer } from '@sconce/redis-server';
import { eventually } from '@sconce/testing';
import { RedisMemory } from './redis-memory.ts';

it('forgets the memory of Redis when the connection is lost, and reads it again with the next one', async () => {
  const server = await startRedisServer();
  const redis = new Redis(server.url);
  const memory = new RedisMemory(redis);
  const isRefused = (): boolean => {
    try {
      memory.admit();
      return false;
    } catch {
      return true;
    }
  };
  try {
    await redis.config('SET', 'maxmemory', '1000000');
    await eventually(() => expect(isRefused()).toBe(true), { timeoutMs: 10_000 });
    const closed = once(redis, 'close');
    redis.disconnect();
    await closed;
    expect(isRefused()).toBe(false);
    await redis.connect();
    await eventually(() => expect(isRefused()).toBe(true), { timeoutMs: 10_000 });
    expect(redis.listenerCount('ready')).toBeGreaterThan(0);
    memory.close();
    expect([redis.listenerCount('ready'), redis.listenerCount('close')]).toEqual([0, 0]);
  } finally {
    redis.disconnect();
    await server.stop();
  }
});
