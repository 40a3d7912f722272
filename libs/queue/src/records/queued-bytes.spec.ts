import { Redis } from 'ioredis';
import { afterAll, afterEach, expect, it } from 'vitest';
import type { Tensor } from '@sconce/tensor';
import { failOnLeaks, testRedis } from '@sconce/testing';
import { queueConfigSchema } from '../queue-config.ts';
import { Keys } from '../redis/keys.ts';
import { QueueSystem, request } from '../testing/queue-system.ts';
import { JobRecords } from './job-records.ts';

// The bytes of the inputs of an owner's jobs, and how long the record of an ended job stays: over a real Redis, without workers.

failOnLeaks({ settleMs: 3_000 });
const { url, prefix } = testRedis();
const system = new QueueSystem({ url, prefix });
afterEach(() => system.close());
const redis = new Redis(url);
afterAll(() => redis.quit());

const input = (bytes: number): Tensor => ({
  ...{ name: 'x', datatype: 'UINT8', shape: [bytes] },
  data: new Uint8Array(bytes),
});

const OK = {
  ok: true,
  outputs: [],
  timing: { queueMs: 1, batchMs: 1, runMs: 1, batchRows: 1 },
} as const;

it('bounds the bytes of the inputs of jobs of an owner that have not ended', async () => {
  const config = system.config({ maxQueuedBytesPerOwner: 100 });
  const keys = new Keys(config.keyPrefix);
  const records = new JobRecords({ redis, keys, config });
  const producer = system.producer(config);
  const submit = async (bytes: number, owner?: string): Promise<string> =>
    (await producer.submit({ ...request([input(bytes)]), owner }, { lane: 'batch' })).id;
  const refused = (value: number): object => ({
    code: 'quota_exceeded',
    message: expect.stringMatching(/owner team.*100 bytes.*SCONCE_MAX_QUEUED_BYTES_PER_OWNER/) as string,
    details: { budget: 'queued_bytes', limit: 100, value, ...(value > 100 ? {} : { retryAfterSeconds: 5 }) },
  });
  const [first, second, third] = [await submit(40, 'team'), await submit(40, 'team'), await submit(20, 'team')];
  await expect(submit(4, 'team')).rejects.toMatchObject(refused(4));
  await expect(submit(104, 'team')).rejects.toMatchObject(refused(104));
  // Others, and callers without a key, are not bounded by it.
  await Promise.all([submit(100, 'other'), submit(200)]);

  // It ends in any way: its bytes are free.
  await producer.cancel(first);
  await submit(40, 'team');
  await records.finish(second, { ok: false, error: { code: 'inference_failed', message: 'no' } });
  await submit(40, 'team');
  await records.finish(third, OK);
  await submit(20, 'team');
  await expect(submit(4, 'team')).rejects.toMatchObject(refused(4));
  expect(await redis.hget(keys.queuedBytes(), 'team')).toBe('100');
});

it('frees the bytes of jobs whose records have expired', async () => {
  const config = system.config({ maxQueuedBytesPerOwner: 100, jobTtlSeconds: 1 });
  const producer = system.producer(config);
  const submit = (): Promise<unknown> => producer.submit({ ...request([input(80)]), owner: 'team' }, { lane: 'batch' });
  await submit();
  await expect(submit()).rejects.toMatchObject({ code: 'quota_exceeded' });
  await expect
    .poll(
      () =>
        submit().then(
          () => 'accepted',
          () => 'refused',
        ),
      { timeout: 10_000 },
    )
    .toBe('accepted');
});

it.each(['succeeded', 'failed', 'cancelled'])(
  'keeps the record of a job that has %s as long as its idempotency key, also if results are kept for less time',
  async (end) => {
    const keys = new Keys(`${prefix}-${end}`);
    const records = new JobRecords({ redis, keys, config: queueConfigSchema.parse({ resultTtlSeconds: 10 }) });
    const idempotency = { key: 'k', scope: 'job', fingerprint: 'f', owner: 'team' };
    const record = { model: 'm', version: '1', queue: 'q', createdAtMs: 5, attachment: null, owner: 'team' };
    for (const [id, own] of [
      ['with-key', { idempotency }],
      ['without', {}],
    ] as const) {
      if ('idempotency' in own) await records.claim(idempotency, id, 1_000);
      await records.create({ id, ...record }, 1_000, own);
      if (end === 'cancelled') await records.cancel(id);
      else
        await records.finish(id, end === 'succeeded' ? OK : { ok: false, error: { code: 'internal', message: 'no' } });
    }
    expect(await redis.ttl(keys.job('with-key'))).toBeGreaterThan(900);
    expect(await redis.ttl(keys.job('without'))).toBeLessThanOrEqual(10);
  },
);
