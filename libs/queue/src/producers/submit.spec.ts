import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import type { DeliveredRequest } from '../consumers/request-consumer.ts';
import { Keys } from '../redis/keys.ts';
import { QueueSystem, increment, request, tensor } from '../testing/queue-system.ts';

// Asynchronous jobs over a real Redis, as callers of the producer see them.

// ioredis keeps a timer for 2 s when it is closed while Redis is away.
failOnLeaks({ settleMs: 3_000 });
const { url, prefix } = testRedis();
const system = new QueueSystem({ url, prefix });
afterEach(() => system.close());

describe('submit', () => {
  const options = { lane: 'batch', attachment: { how: 'json' } } as const;

  it('keeps a job through its states until its result is fetched', async () => {
    const config = system.config();
    const producer = system.producer(config);
    const { id, replayed } = await producer.submit(request([tensor([1, 2])]), options);
    expect(replayed).toBe(false);
    expect(await producer.job(id)).toMatchObject({ id, status: 'queued', model: 'm', attachment: { how: 'json' } });
    await system.consumer(config, increment, 'batch');
    await eventually(async () => {
      expect((await producer.job(id)).status).toBe('succeeded');
    });
    expect([...(await producer.result(id))[0]!.data]).toEqual([2, 3]);
  });

  it('records a failure with its code', async () => {
    const config = system.config();
    const producer = system.producer(config);
    await system.consumer(config, () => Promise.reject(new SconceError('inference_failed', 'bad row')), 'batch');
    const { id } = await producer.submit(request([tensor([1])]), options);
    await eventually(async () => {
      expect(await producer.job(id)).toMatchObject({ status: 'failed', error: { code: 'inference_failed' } });
    });
    await expect(producer.result(id)).rejects.toMatchObject({ code: 'job_not_found' });
  });

  it('cancels a waiting job before it runs, and aborts a running one', async () => {
    const config = system.config();
    const producer = system.producer(config);
    const waiting = await producer.submit(request([tensor([1])]), options);
    expect(await producer.cancel(waiting.id)).toBe('cancelled');
    const { queues = [] } = (await producer.queueSnapshot()) ?? {};
    expect(queues.find(({ queue }) => queue === 'sconce.default.batch')?.jobs).toMatchObject({ waiting: 0, active: 0 });
    const ran: number[] = [];
    let isAborted = false;
    const consumer = await system.consumer(
      config,
      async (delivered: DeliveredRequest) => {
        ran.push(delivered.inputs[0]!.data[0]!);
        await eventually(() => {
          expect(delivered.signal.aborted).toBe(true);
        });
        isAborted = true;
        return increment(delivered);
      },
      'batch',
    );
    const running = await producer.submit(request([tensor([2])]), options);
    await eventually(async () => {
      expect((await producer.job(running.id)).status).toBe('running');
    });
    expect(await producer.cancel(running.id)).toBe('cancelled');
    consumer.cancel(running.id);
    await eventually(() => {
      expect(isAborted).toBe(true);
    });
    expect((await producer.job(running.id)).status).toBe('cancelled');
    expect(ran).toEqual([2]);
  });

  it('makes one job of one idempotency key, and refuses another request under it', async () => {
    const config = system.config();
    const producer = system.producer(config);
    const idempotency = { key: 'once', scope: 'job', fingerprint: 'a' };
    const submitted = await Promise.all(
      Array.from({ length: 10 }, () => producer.submit(request([tensor([1])]), { ...options, idempotency })),
    );
    expect(new Set(submitted.map(({ id }) => id)).size).toBe(1);
    let runs = 0;
    await system.consumer(
      config,
      (delivered) => {
        runs += 1;
        return increment(delivered);
      },
      'batch',
    );
    await eventually(async () => {
      expect((await producer.job(submitted[0]!.id)).status).toBe('succeeded');
    });
    expect(runs).toBe(1);
    await expect(
      producer.submit(request([tensor([2])]), { ...options, idempotency: { ...idempotency, fingerprint: 'b' } }),
    ).rejects.toMatchObject({ code: 'idempotency_conflict' });
  });

  it('completes a submission that died halfway when it is repeated', async () => {
    const config = system.config({ maxBacklog: 1 });
    const producer = system.producer(config);
    const keyed = { ...options, idempotency: { key: 'half', scope: 'job', fingerprint: 'a' } };
    const { id } = await producer.submit(request([tensor([1])]), keyed);
    // As if the producer had died between the record and the queue.
    const redis = new Redis(url);
    await redis.del(`${config.keyPrefix}:bull:sconce.default.batch:wait`);
    await redis.del(`${config.keyPrefix}:bull:sconce.default.batch:${id}`);
    redis.disconnect();
    expect(await producer.submit(request([tensor([1])]), keyed)).toEqual({ id, replayed: true });
    await system.consumer(config, increment, 'batch');
    await eventually(async () => {
      expect((await producer.job(id)).status).toBe('succeeded');
    });
    // A repetition adds no job, so it is never refused because the queue is full.
    expect(await producer.submit(request([tensor([1])]), keyed)).toEqual({ id, replayed: true });
  });

  it('does not run a request again whose idempotency key comes after its job was removed', async () => {
    const config = system.config({ jobTtlSeconds: 600 });
    const producer = system.producer(config);
    const keyed = { ...options, idempotency: { key: 'removed', owner: 'a', scope: 'job', fingerprint: 'a' } };
    const { id } = await producer.submit(request([tensor([1])]), keyed);
    let runs = 0;
    const handle: typeof increment = (delivered) => ((runs += 1), increment(delivered));
    await system.consumer(config, handle, 'batch');
    await eventually(async () => expect((await producer.job(id)).status).toBe('succeeded'));
    await producer.cancelOrRemove(id);
    const again = (): Promise<unknown> => producer.submit(request([tensor([1])]), keyed);
    for (let n = 0; n < 2; n += 1) await expect(again()).rejects.toMatchObject({ code: 'idempotency_conflict' });
    for (const look of ['job', 'cancel', 'cancelOrRemove', 'result'] as const) {
      await expect(producer[look](id)).rejects.toMatchObject({ code: 'job_not_found' });
    }
    expect(runs).toBe(1);
    // What is left of the job is forgotten together with the key.
    const redis = new Redis(url);
    const left = await redis.pttl(new Keys(config.keyPrefix).job(id));
    redis.disconnect();
    expect([left > 0, left <= 600_000]).toEqual([true, true]);
  });

  it('gives the cancelled job to a repetition whose key it has', async () => {
    const producer = system.producer(system.config());
    const keyed = { ...options, idempotency: { key: 'cancelled', scope: 'job', fingerprint: 'a' } };
    const { id } = await producer.submit(request([tensor([1])]), keyed);
    await producer.cancelOrRemove(id);
    expect(await producer.submit(request([tensor([1])]), keyed)).toEqual({ id, replayed: true });
    expect((await producer.job(id)).status).toBe('cancelled');
  });

  it('refuses jobs beyond the backlog, with a time to come back', async () => {
    const producer = system.producer(system.config({ maxBacklog: 3 }));
    const outcomes = [];
    for (let n = 0; n < 6; n += 1) {
      outcomes.push(
        await producer.submit(request([tensor([n])]), options).then(
          () => 'accepted',
          (error: SconceError) => [error.code, typeof error.details['retryAfterSeconds']],
        ),
      );
    }
    const refused = ['queue_full', 'number'];
    expect(outcomes).toEqual(['accepted', 'accepted', 'accepted', refused, refused, refused]);
  });

  it('does not know a job it never saw', async () => {
    const producer = system.producer(system.config());
    await expect(producer.job('nope')).rejects.toMatchObject({ code: 'job_not_found' });
    await expect(producer.cancel('nope')).rejects.toMatchObject({ code: 'job_not_found' });
  });
});
