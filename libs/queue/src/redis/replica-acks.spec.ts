import { afterAll, describe, expect, it } from 'vitest';
import { Redis } from 'ioredis';
import { startRedisServer } from '@sconce/redis-server';
import { ReplicaAcks } from './replica-acks.ts';

const server = await startRedisServer({ settings: { 'repl-diskless-sync-delay': '0' } });
const redis = new Redis(server.url);
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const waits = async (): Promise<number> =>
  Number(/cmdstat_wait:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);

describe('replicas that must have a write', () => {
  it('are not asked for when none are wanted', async () => {
    await new ReplicaAcks(redis, 0).confirm('the job');
    expect(await waits()).toBe(0);
  });

  it('share one question, and a write after it gets another', async () => {
    const acks = new ReplicaAcks(redis, 1);
    const failed = { code: 'redis_unavailable', details: { replicas: 0, required: 1 } };
    const early = Array.from({ length: 50 }, () => acks.confirm('the job'));
    const outcomes = await Promise.allSettled(early);
    expect(outcomes).toEqual(outcomes.map(() => ({ status: 'rejected', reason: expect.objectContaining(failed) })));
    expect(await waits()).toBeLessThanOrEqual(2);
    await expect(acks.confirm('the batch')).rejects.toThrow(/Only 0 of 1 replicas .*have the batch.*Idempotency-Key/);
  });

  it('are enough when they have it', async () => {
    const replica = await startRedisServer({ settings: { replicaof: `127.0.0.1 ${server.port}` } });
    try {
      const acks = new ReplicaAcks(redis, 1);
      await redis.set('a', '1');
      await expect
        .poll(() => acks.confirm('the job').then(() => 'confirmed', String), { timeout: 15_000 })
        .toBe('confirmed');
      await Promise.all(Array.from({ length: 20 }, () => acks.confirm('the job')));
    } finally {
      await replica.stop();
    }
  });
});
