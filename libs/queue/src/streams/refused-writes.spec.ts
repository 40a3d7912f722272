import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { startRedisServer } from '@sconce/redis-server';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { increment, soon } from '../testing/queue-system.ts';
import { StreamSystem, request, valueOf } from '../testing/stream-system.ts';

// Redis refuses what a worker writes, while a request runs. The caller gets its answer when Redis takes writes again.

failOnLeaks();
const system = new StreamSystem(testRedis());
afterEach(() => system.close());

const TIMEOUT_MS = 60_000;
/** Longer than the worker needs to claim its own entries: an entry that it has answered must not be lost then. */
const CLAIMED_MS = 4_500;

describe.each<[string, string[], string[], number]>([
  ['is full', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0'], 500],
  ['is read-only', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE'], CLAIMED_MS],
])('while Redis %s', (_, begin, end, forMs) => {
  it.each([
    ['an answer is kept and written later', 'succeeds'],
    ['a request that has to run again is kept and written later', 'fails at first'],
  ] as const)(
    '%s',
    async (_title, run) => {
      const server = await startRedisServer({});
      system.onClose(() => server.stop());
      const own = system.installation(server.url);
      const producer = system.producer(own);
      const redis = system.redis(own);
      const started = Promise.withResolvers<void>();
      const mayEnd = Promise.withResolvers<void>();
      let runs = 0;
      await system.consumer(own, {
        handle: async (delivered) => {
          started.resolve();
          await mayEnd.promise;
          if (run === 'fails at first' && (runs += 1) === 1) throw new SconceError('thread_crashed', 'passes');
          return increment(delivered);
        },
      });
      const answer = producer.infer(request(1), soon(TIMEOUT_MS));
      await started.promise;
      await redis.call(...begin);
      mayEnd.resolve();
      await delay(forMs);
      await redis.call(...end);
      expect(valueOf(await answer)).toBe(2);
      await eventually(async () => expect(await redis.call('XLEN', own.keys.onlineStream('default'))).toBe(0), {
        timeoutMs: 15_000,
      });
    },
    TIMEOUT_MS,
  );
});
