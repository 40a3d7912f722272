import { expect, it } from 'vitest';
import { startRedisServer } from '@sconce/redis-server';
import { atEndOfFile, eventually } from '@sconce/testing';
import { watchRedis } from './redis-watch.ts';

it('restarts a Redis that was killed, on the same port, but not one that was stopped', async () => {
  const redis = await startRedisServer();
  atEndOfFile(() => redis.stop());
  const events: string[] = [];
  const failures: Error[] = [];
  const unwatch = watchRedis(redis, {
    onEvent: (text) => events.push(text),
    onGaveUp: (error) => failures.push(error),
    checkMs: 10,
  });
  const first = redis.pid;
  redis.kill('SIGKILL');
  await eventually(() => {
    expect(redis.pid).not.toBe(first);
    process.kill(redis.pid, 0);
  });
  expect(events).toEqual(['Redis ended; it is started again']);
  unwatch();
  await redis.stop();
  expect([events.length, failures]).toEqual([1, []]);
});
