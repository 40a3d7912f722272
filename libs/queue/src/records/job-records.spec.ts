import { Redis } from 'ioredis';
import { afterAll, describe, expect, it } from 'vitest';
import type { Outcome } from '@sconce/contracts';
import { testRedis } from '@sconce/testing';
import { JobRecords } from './job-records.ts';
import { queueConfigSchema } from '../queue-config.ts';
import { Keys } from '../redis/keys.ts';

const { url, prefix } = testRedis();
const redis = new Redis(url);
const keys = new Keys(prefix);
const records = new JobRecords({ redis, keys, config: queueConfigSchema.parse({ resultTtlSeconds: 60 }) });
afterAll(() => {
  redis.disconnect();
});

const OK: Outcome = {
  ok: true,
  outputs: [{ name: 'y', datatype: 'UINT8', shape: [2], data: new Uint8Array([1, 2]) }],
  timing: { queueMs: 1, batchMs: 2, runMs: 3, batchRows: 4 },
};
const FAILED: Outcome = { ok: false, error: { code: 'inference_failed', message: 'no' } };

let next = 0;
async function newJob(): Promise<string> {
  const id = `job-${next++}`;
  await records.create({ id, model: 'm', version: '1', queue: 'q', createdAtMs: 5, attachment: { a: 1 } }, 60);
  return id;
}

describe('JobRecords', () => {
  it('goes from queued through running to succeeded, and keeps the outputs', async () => {
    const id = await newJob();
    expect(await records.get(id)).toEqual({
      id,
      status: 'queued',
      model: 'm',
      version: '1',
      queue: 'q',
      createdAtMs: 5,
      attachment: { a: 1 },
    });
    expect(await records.start(id)).toBe(true);
    expect(await records.finish(id, OK)).toBe(true);
    expect(await records.get(id)).toMatchObject({ status: 'succeeded', timing: { runMs: 3 } });
    const outputs = await records.result(id);
    expect([...(outputs?.[0]?.data ?? [])]).toEqual([1, 2]);
    expect(await redis.ttl(keys.job(id))).toBeGreaterThan(0);
    expect(await redis.ttl(keys.result(id))).toBeGreaterThan(0);
  });

  it.each([
    ['succeeded', OK],
    ['failed', FAILED],
  ] as const)('never leaves %s', async (status, outcome) => {
    const id = await newJob();
    await records.finish(id, outcome);
    expect(await records.start(id)).toBe(false);
    expect(await records.finish(id, outcome.ok ? FAILED : OK)).toBe(false);
    expect(await records.cancel(id)).toBe(status);
    expect((await records.get(id))?.status).toBe(status);
  });

  it('keeps a job cancelled when a worker finishes it later', async () => {
    const id = await newJob();
    await records.start(id);
    expect(await records.cancel(id)).toBe('cancelled');
    expect(await records.finish(id, OK)).toBe(false);
    expect(await records.result(id)).toBeUndefined();
  });

  it('lets exactly one of many finishers win', async () => {
    const id = await newJob();
    const wins = await Promise.all(Array.from({ length: 20 }, (_, n) => records.finish(id, n % 2 === 0 ? OK : FAILED)));
    expect(wins.filter(Boolean)).toHaveLength(1);
  });

  it('does not know jobs that were never created', async () => {
    expect(await records.get('none')).toBeUndefined();
    expect(await records.start('none')).toBe(false);
    await expect(records.cancel('none')).rejects.toMatchObject({ code: 'job_not_found' });
  });

  it('creates a job once', async () => {
    const id = await newJob();
    await records.start(id);
    await records.create({ id, model: 'other', version: '2', queue: 'q', createdAtMs: 9, attachment: null }, 60);
    expect(await records.get(id)).toMatchObject({ status: 'running', model: 'm' });
  });

  it('binds an idempotency key to the first of many claims, and refuses another request under it', async () => {
    const claim = { key: 'k', scope: 's', fingerprint: 'f' };
    const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => records.claim(claim, `id-${n}`, 60)));
    expect(new Set(ids).size).toBe(1);
    await expect(records.claim({ ...claim, fingerprint: 'g' }, 'x', 60)).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
    expect(await records.claim({ ...claim, scope: 'other' }, 'x', 60)).toBe('x');
  });

  it('keeps the idempotency keys of owners apart', async () => {
    const claim = { key: 'shared', scope: 's', fingerprint: 'f' };
    expect(await records.claim({ ...claim, owner: 'a' }, 'of-a', 60)).toBe('of-a');
    expect(await records.claim({ ...claim, owner: 'b', fingerprint: 'g' }, 'of-b', 60)).toBe('of-b');
    expect(await records.claimed({ ...claim, owner: 'a' })).toBe('of-a');
    expect(await records.claimed(claim)).toBeUndefined();
  });

  it('finds the claim of an API of release 0.1 for the same request of an owner, and ignores it for another request', async () => {
    const claim = { key: 'before', scope: 's', fingerprint: 'f' };
    await records.claim(claim, 'old', 60);
    expect(await records.claimed({ ...claim, owner: 'a' })).toBe('old');
    expect(await records.claimed({ ...claim, owner: 'a', fingerprint: 'g' })).toBeUndefined();
  });
});
