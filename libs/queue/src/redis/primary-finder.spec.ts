import type { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, failOnLeaks, startRedisWithSentinels, type RedisWithSentinels } from '@sconce/testing';
import { RespClient } from '../streams/resp-client.ts';
import { closeRedis, connectRedis } from './redis-connection.ts';

const NOBODY_URL = 'redis+sentinel://127.0.0.1:1,127.0.0.1:2/main';
failOnLeaks();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function clients(url: string): { readonly lean: RespClient; readonly redis: Redis } {
  const ignore = { name: 'primary-finder-spec', onError: () => undefined };
  const lean = new RespClient({ url, ...ignore });
  closers.push(() => lean.close());
  const redis = connectRedis({ url, role: 'patient', ...ignore });
  closers.push(() => closeRedis(redis));
  return { lean, redis };
}

const portOf = async (client: (...command: string[]) => Promise<unknown>): Promise<number> =>
  Number(/tcp_port:(\d+)/.exec(String(await client('INFO', 'server')))?.[1]);

async function bothAt(
  sentinels: RedisWithSentinels,
  { lean, redis }: ReturnType<typeof clients>,
  index: 0 | 1,
): Promise<void> {
  const { port } = sentinels.servers[index];
  await eventually(
    async () => {
      const ports = [await portOf((...c) => lean.call(...c)), await portOf((...c) => redis.call(...(c as [string])))];
      expect(ports).toEqual([port, port]);
    },
    { timeoutMs: 20_000 },
  );
}

describe('a Redis with Sentinels', () => {
  it('is followed to the new primary when the old one hangs and one Sentinel too', async () => {
    const sentinels = await startRedisWithSentinels();
    closers.push(() => sentinels.stop());
    const both = clients(sentinels.url);
    await bothAt(sentinels, both, 0);
    sentinels.sentinels[0]?.kill('SIGSTOP');
    sentinels.servers[0].kill('SIGSTOP');
    await bothAt(sentinels, both, 1);
    await both.redis.set('a', '1');
    expect(String(await both.lean.call('GET', 'a'))).toBe('1');
    // The old one goes on as a primary until a Sentinel makes it a replica. Nobody may go back to it.
    sentinels.servers[0].kill('SIGCONT');
    await both.redis.set('a', '2');
    await bothAt(sentinels, both, 1);
    expect(String(await both.lean.call('GET', 'a'))).toBe('2');
  }, 60_000);

  it('fails commands with the reason while no Sentinel answers', async () => {
    const lean = new RespClient({ url: NOBODY_URL, name: 'primary-finder-spec', onError: () => undefined });
    closers.push(() => lean.close());
    await expect(lean.call('PING')).rejects.toThrow(/Redis cannot be used/);
    const redis = connectRedis({
      url: NOBODY_URL,
      role: 'command',
      name: 'primary-finder-spec',
      onError: () => undefined,
    });
    closers.push(() => closeRedis(redis));
    await expect(redis.ping()).rejects.toThrow();
  });
});
