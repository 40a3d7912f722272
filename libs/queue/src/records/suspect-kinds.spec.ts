import { expect, it } from 'vitest';
import { testRedis } from '@sconce/testing';
import { Keys } from '../redis/keys.ts';
import { connectRedis } from '../redis/redis-connection.ts';
import { SuspectKinds, type SuspectKind } from './suspect-kinds.ts';

const { url, prefix: keyPrefix } = testRedis();
const kind = (over: Partial<SuspectKind> = {}): SuspectKind => ({
  model: 'm',
  version: '1',
  kind: '[0,4]=2^43',
  owner: 'an owner',
  ...over,
});

it('keeps each kind once, for an hour, and at most a thousand', async () => {
  const redis = connectRedis({ url, role: 'patient', name: 'test', onError: () => undefined });
  try {
    const keys = new Keys(keyPrefix);
    const kinds = new SuspectKinds({ redis, keys });
    await kinds.add(kind());
    await kinds.add(kind());
    await kinds.add(kind({ owner: '' }));
    expect((await kinds.all()).sort((a, b) => b.owner.length - a.owner.length)).toEqual([kind(), kind({ owner: '' })]);
    await redis.zadd(keys.suspectKinds(), Date.now() - 1, JSON.stringify(['old', '1', 'k', '']));
    await redis.zadd(keys.suspectKinds(), Date.now() + 60_000, 'of a newer release');
    expect(await kinds.all()).toHaveLength(2);
    for (let n = 0; n < 1_010; n++) await kinds.add(kind({ kind: String(n) }));
    expect(await redis.zcard(keys.suspectKinds())).toBe(1_000);
    expect(await redis.pttl(keys.suspectKinds())).toBeGreaterThan(3_000_000);
  } finally {
    redis.disconnect();
  }
});
