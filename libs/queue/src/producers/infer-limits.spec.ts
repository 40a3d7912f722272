import { afterEach, describe, expect, it } from 'vitest';
import type { SconceError } from '@sconce/errors';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { openRequestConsumer } from '../testing/open-consumer.ts';
import { CARRIERS, QueueSystem, increment, request, soon, tensor } from '../testing/queue-system.ts';

// Requests that a producer refuses, or that a worker does not run, over a real Redis.

// ioredis keeps a timer for 2 s when it is closed while Redis is away.
failOnLeaks({ settleMs: 3_000 });
const system = new QueueSystem(testRedis());
afterEach(() => system.close());

describe.each(CARRIERS)('infer, at its limits over the %s', (carrier) => {
  it('refuses requests that would be answered too late at the pace of their model, and no others', async () => {
    const config = await system.configFor(carrier);
    const producer = system.producer(config);
    let turn = Promise.resolve();
    await system.consumer(config, async (delivered) => {
      // One after the other, 100 a second.
      if (delivered.model === 'm') await (turn = turn.then(() => new Promise((resolve) => setTimeout(resolve, 10))));
      return increment(delivered);
    });
    const waiting = Array.from({ length: 200 }, () => producer.infer(request([tensor([1])]), soon(20_000)));
    await Promise.all(waiting.slice(0, 40));
    const late = producer.infer(request([tensor([1])]), soon(200));
    await expect(late).rejects.toMatchObject({
      code: 'queue_full',
      message: expect.stringMatching(/after the request's timeout.*Try again/) as string,
    });
    await expect(late).rejects.toSatisfy((error: SconceError) => Number(error.details['retryAfterSeconds']) >= 1);
    await producer.infer(request([tensor([1])]), soon(20_000));
    await producer.infer({ ...request([tensor([1])]), model: 'other' }, soon(2_000));
    await Promise.all(waiting);
    await producer.infer(request([tensor([1])]), soon(2_000));
  });

  it('gives up at the deadline, forgets a caller that has gone, and refuses requests beyond its limit', async () => {
    const producer = system.producer(await system.configFor(carrier, { maxOutstanding: 1 }));
    const started = Date.now();
    const waiting = producer.infer(request([tensor([1])]), soon(300));
    await eventually(() => {
      expect(producer.outstanding).toBe(1);
    });
    await expect(producer.infer(request([tensor([1])]), soon())).rejects.toMatchObject({
      code: 'queue_full',
      details: { retryAfterSeconds: expect.any(Number) },
    });
    await expect(waiting).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(Date.now() - started).toBeLessThan(5_000);
    const caller = new AbortController();
    const abandoned = producer.infer(request([tensor([1])]), { ...soon(), signal: caller.signal });
    caller.abort();
    await expect(abandoned).rejects.toMatchObject({ code: 'job_cancelled' });
    expect(producer.outstanding).toBe(0);
  });

  it('does not run a request that is past its deadline when a worker takes it', async () => {
    const config = await system.configFor(carrier);
    const producer = system.producer(config);
    await expect(producer.infer(request([tensor([1])]), soon(100))).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    const ran: number[] = [];
    await system.consumer(config, async (delivered) => {
      ran.push(delivered.inputs[0]!.data[0]!);
      return increment(delivered);
    });
    await producer.infer(request([tensor([2])]), soon());
    expect(ran).toEqual([2]);
  });

  it('tells the workers which callers have gone, so that they cancel active requests', async () => {
    const config = await system.configFor(carrier);
    const producer = system.producer(config);
    const handled: string[] = [];
    const { promise: gate, resolve: open } = Promise.withResolvers<undefined>();
    let signal: { readonly aborted: boolean } | undefined;
    const consumer = await system.consumer(config, async (delivered) => {
      handled.push(delivered.model);
      if (delivered.model === 'begun') {
        ({ signal } = delivered);
        await gate;
      }
      return increment(delivered);
    });
    consumer.connections.listen((notice) => {
      if (notice.kind === 'give_up') consumer.giveUp(notice.requestIds);
    });
    await producer.infer({ ...request([tensor([1])]), model: 'first' }, soon());
    const caller = new AbortController();
    const begun = producer.infer({ ...request([tensor([1])]), model: 'begun' }, { ...soon(), signal: caller.signal });
    const gone = expect(begun).rejects.toMatchObject({ code: 'job_cancelled' });
    await eventually(() => {
      expect(handled).toContain('begun');
    });
    expect(signal?.aborted).toBe(false);
    caller.abort();
    await gone;
    await eventually(() => {
      expect(signal?.aborted).toBe(true);
    });
    open(undefined);
    consumer.giveUp(Array.from({ length: 20_000 }, (_, n) => `never-came-${n}`));
    await producer.infer({ ...request([tensor([1])]), model: 'last' }, soon());
    expect(handled).toEqual(['first', 'begun', 'last']);
  });

  it('does not run a request whose caller had gone before its job was taken', async () => {
    const config = await system.configFor(carrier);
    const producer = system.producer(config);
    const given: string[] = [];
    const connections = new WorkerConnections(config, () => undefined);
    connections.listen((notice) => {
      if (notice.kind === 'give_up') given.push(...notice.requestIds);
    });
    system.onClose(() => connections.close());
    const caller = new AbortController();
    const gone = expect(producer.infer(request([tensor([1])]), { ...soon(), signal: caller.signal })).rejects.toThrow();
    const stays = producer.infer({ ...request([tensor([2])]), model: 'stays' }, soon());
    await new Promise((resolve) => setTimeout(resolve, 200));
    caller.abort();
    await gone;
    await eventually(() => {
      expect(given).toHaveLength(1);
    });
    const handled: string[] = [];
    const consumer = system.consumer(
      config,
      async (delivered) => {
        handled.push(delivered.model);
        return increment(delivered);
      },
      'online',
      given,
    );
    await consumer;
    await stays;
    expect(handled).toEqual(['stays']);
  });
});

it('a consumer takes no more queue jobs than it has room for, so that another consumer gets them', async () => {
  const config = await system.configFor('queue');
  const producer = system.producer(config);
  const taken = { busy: 0, idle: 0 };
  const { promise: gate, resolve: open } = Promise.withResolvers<undefined>();
  const consumer = async (who: 'busy' | 'idle', hasRoom: () => boolean): Promise<void> => {
    const own = openRequestConsumer(config, {
      concurrency: 4,
      hasRoom,
      handle: async (delivered) => {
        taken[who] += 1;
        if (who === 'busy') await gate;
        return increment(delivered);
      },
    });
    system.onClose(async () => {
      await own.close(5_000);
    });
    await own.ready();
  };
  await consumer('busy', () => taken.busy < 2);
  const ask = (n: number): Promise<unknown> =>
    producer.infer({ ...request([tensor([n])]), model: `m${n}` }, soon(20_000));
  const first = Array.from({ length: 12 }, (_, n) => ask(n));
  await eventually(() => {
    expect(taken.busy).toBeGreaterThanOrEqual(2);
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  // As many as its concurrency: it learns only then that it has no room.
  expect(taken.busy).toBeLessThanOrEqual(4);
  await consumer('idle', () => true);
  await eventually(() => {
    expect(taken.busy + taken.idle).toBe(12);
  });
  open(undefined);
  await Promise.all(first);
  // It always takes one job at a time, with room or without.
  await Promise.all([ask(20), ask(21)]);
});
