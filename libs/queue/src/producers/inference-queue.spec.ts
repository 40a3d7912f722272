import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import type { Lane } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { startRedisServer } from '@sconce/redis-server';
import type { Tensor } from '@sconce/tensor';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { InferenceProducer } from './inference-producer.ts';
import type { InferenceRequest } from './inference-request.ts';
import { LaneConsumer, type DeliveredRequest, type RequestHandler } from '../consumers/lane-consumer.ts';
import { NoticeListener } from '../messages/notices.ts';
import { MAX_DELIVERIES } from '../queue-names.ts';
import { queueConfigSchema, type QueueConfig } from '../queue-config.ts';

// Producer and consumer over a real Redis: what a caller sees of the queue.

// ioredis keeps a timer for 2 s when it is closed while Redis is away.
failOnLeaks({ settleMs: 3_000 });
const { url, prefix } = testRedis();
let systems = 0;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function configFor(over: Partial<QueueConfig> = {}): QueueConfig {
  return queueConfigSchema.parse({ redisUrl: url, keyPrefix: `${prefix}-${systems++}`, ...over });
}

function startProducer(config: QueueConfig): InferenceProducer {
  const producer = new InferenceProducer(config);
  closers.push(() => producer.close());
  return producer;
}

async function startConsumer(
  config: QueueConfig,
  handle: RequestHandler,
  lane: Lane = 'online',
  givenUp: readonly string[] = [],
): Promise<LaneConsumer> {
  const consumer = new LaneConsumer({
    config,
    pool: 'default',
    lane,
    concurrency: 8,
    handle,
    onError: () => undefined,
  });
  closers.push(async () => {
    await consumer.close(5_000);
  });
  consumer.giveUp(givenUp);
  await consumer.ready();
  return consumer;
}

const tensor = (bytes: number[], name = 'x'): Tensor => ({
  name,
  datatype: 'UINT8',
  shape: [bytes.length],
  data: new Uint8Array(bytes),
});
const request = (inputs: Tensor[]): InferenceRequest => ({
  model: 'm',
  version: '1',
  pool: 'default',
  inputs,
  outputs: ['y'],
});
const soon = (ms = 10_000): { deadlineMs: number } => ({ deadlineMs: Date.now() + ms });

/** y = x + 1, byte by byte. */
const increment: RequestHandler = async ({ inputs }) => ({
  outputs: [{ ...(inputs[0] as Tensor), name: 'y', data: (inputs[0] as Tensor).data.map((byte) => byte + 1) }],
  timing: { queueMs: 0, batchMs: 0, runMs: 0, batchRows: 1 },
});

describe('infer', () => {
  it('answers each of many concurrent requests with its own result, merged into few jobs', async () => {
    const config = configFor();
    const producer = startProducer(config);
    let jobs = 0;
    const seen = new Set<number>();
    await startConsumer(config, async (delivered) => {
      if (!seen.has(delivered.takenAtMs)) jobs += 1;
      seen.add(delivered.takenAtMs);
      return increment(delivered);
    });
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const { outputs } = await producer.infer(request([tensor([n % 250, 7])]), soon());
        return [...outputs[0]!.data];
      }),
    );
    expect(answers).toEqual(Array.from({ length: 200 }, (_, n) => [(n % 250) + 1, 8]));
    expect(jobs).toBeLessThan(20);
    expect(producer.outstanding).toBe(0);
  });

  it('tells the worker each request’s own priority', async () => {
    const config = configFor();
    const producer = startProducer(config);
    const seen: (number | undefined)[] = [];
    await startConsumer(config, async (delivered) => {
      seen.push(delivered.request.priority);
      return increment(delivered);
    });
    await Promise.all([
      producer.infer({ ...request([tensor([1])]), priority: 3 }, soon()),
      producer.infer(request([tensor([2])]), soon()),
    ]);
    expect(seen).toEqual([3, undefined]);
  });

  it('refuses what would be answered too late at the pace of its model, and nothing else', async () => {
    const config = configFor();
    const producer = startProducer(config);
    let turn = Promise.resolve();
    await startConsumer(config, async (delivered) => {
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

  it('costs Redis a bounded number of commands: some dozens for a request alone, a few for one among many', async () => {
    const server = await startRedisServer({});
    closers.push(() => server.stop());
    const config = configFor({ redisUrl: server.url });
    const producer = startProducer(config);
    await startConsumer(config, increment);
    const redis = new Redis(server.url);
    closers.push(async () => {
      redis.disconnect();
    });
    /** Commands, those within scripts too, and scripts that `work` led to, per request. */
    const cost = async (requests: number, work: () => Promise<unknown>) => {
      await redis.config('RESETSTAT');
      await work();
      // What follows an answer: the job's completion, the consumer's look for another one.
      await new Promise((resolve) => setTimeout(resolve, 200));
      const stats = await redis.info('stats');
      const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1];
      const commands = /total_commands_processed:(\d+)/.exec(stats)?.[1];
      return { commands: Number(commands) / requests, scripts: Number(calls) / requests };
    };
    const one = (): Promise<unknown> => producer.infer(request([tensor([1])]), soon());
    await one();
    const alone = await cost(20, async () => {
      for (let n = 0; n < 20; n++) await one();
    });
    expect(alone.scripts).toBeLessThanOrEqual(6);
    expect(alone.commands).toBeLessThanOrEqual(70);
    const lane = async (): Promise<void> => {
      for (let n = 0; n < 20; n++) await one();
    };
    const together = await cost(64 * 20, () => Promise.all(Array.from({ length: 64 }, lane)));
    expect(together.scripts).toBeLessThanOrEqual(0.25);
    expect(together.commands).toBeLessThanOrEqual(3);
  });

  it('takes no more jobs than it has room for: another consumer gets them', async () => {
    const config = configFor();
    const producer = startProducer(config);
    const taken = { busy: 0, idle: 0 };
    const { promise: gate, resolve: open } = Promise.withResolvers<undefined>();
    const consumer = async (who: 'busy' | 'idle', hasRoom: () => boolean): Promise<void> => {
      const own = new LaneConsumer({
        config,
        pool: 'default',
        lane: 'online',
        concurrency: 4,
        hasRoom,
        handle: async (delivered) => {
          taken[who] += 1;
          if (who === 'busy') await gate;
          return increment(delivered);
        },
        onError: () => undefined,
      });
      closers.push(async () => {
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
    // What it may take at once, before it is known what that is, and nothing more.
    expect(taken.busy).toBeLessThanOrEqual(4);
    await consumer('idle', () => true);
    await eventually(() => {
      expect(taken.busy + taken.idle).toBe(12);
    });
    open(undefined);
    await Promise.all(first);
    // One at a time it always takes, room or not.
    await Promise.all([ask(20), ask(21)]);
  });

  it('tells the workers of callers that have gone: what has begun is cancelled', async () => {
    const config = configFor();
    const producer = startProducer(config);
    const handled: string[] = [];
    const { promise: gate, resolve: open } = Promise.withResolvers<undefined>();
    const { promise: cancelled, resolve: cancel } = Promise.withResolvers<undefined>();
    const consumer = await startConsumer(config, async (delivered) => {
      handled.push(delivered.model);
      if (delivered.model === 'begun') {
        delivered.signal.addEventListener('abort', () => cancel(undefined));
        await gate;
      }
      return increment(delivered);
    });
    const listener = new NoticeListener(config, {
      onNotice: (notice) => {
        if (notice.kind === 'give_up') consumer.giveUp(notice.requestIds);
      },
      onError: () => undefined,
    });
    closers.push(() => listener.close());
    await producer.infer({ ...request([tensor([1])]), model: 'first' }, soon());
    const caller = new AbortController();
    const begun = producer.infer({ ...request([tensor([1])]), model: 'begun' }, { ...soon(), signal: caller.signal });
    const gone = expect(begun).rejects.toMatchObject({ code: 'job_cancelled' });
    await eventually(() => {
      expect(handled).toContain('begun');
    });
    caller.abort();
    await gone;
    await cancelled;
    open(undefined);
    consumer.giveUp(Array.from({ length: 20_000 }, (_, n) => `never-came-${n}`));
    await producer.infer({ ...request([tensor([1])]), model: 'last' }, soon());
    expect(handled).toEqual(['first', 'begun', 'last']);
  });

  it('does not begin a request whose caller had gone before it came', async () => {
    const config = configFor();
    const producer = startProducer(config);
    const given: string[] = [];
    const listener = new NoticeListener(config, {
      onNotice: (notice) => {
        if (notice.kind === 'give_up') given.push(...notice.requestIds);
      },
      onError: () => undefined,
    });
    closers.push(() => listener.close());
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
    const consumer = startConsumer(
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

  it('answers over a stream that expires by itself, also one that was lost', async () => {
    const config = configFor();
    const producer = startProducer(config);
    await startConsumer(config, increment);
    const redis = new Redis(url);
    closers.push(async () => {
      redis.disconnect();
    });
    for (let times = 0; times < 3; times++) {
      for (let n = 0; n < 3; n++) await producer.infer(request([tensor([n])]), soon());
      const [stream = ''] = await redis.keys(`${config.keyPrefix}*replies*`);
      const ttl = await redis.ttl(stream);
      expect([stream === '', ttl > 0, ttl <= 120]).toEqual([false, true, true]);
      await redis.del(stream);
    }
  });

  it('carries tensors too large for the job beside it, and leaves nothing there', async () => {
    const config = configFor();
    const producer = startProducer(config);
    await startConsumer(config, increment);
    const large = tensor(Array.from({ length: 300_000 }, (_, n) => n % 200));
    const { outputs } = await producer.infer(request([large]), soon());
    expect(Buffer.from(outputs[0]!.data)).toEqual(Buffer.from(large.data.map((byte) => byte + 1)));
    // Written in pieces, among other commands on the same connection.
    const sizes = [1, 100_000, 20_000, 3, 700_001, 16_400];
    const answers = await Promise.all(
      sizes.map(async (size, n) => {
        const values = tensor(Array.from({ length: size }, (_, i) => (i + n) % 200));
        const answer = await producer.infer({ ...request([values, values]), model: `m${n}` }, soon());
        return Buffer.compare(
          answer.outputs[0]!.data,
          values.data.map((byte) => byte + 1),
        );
      }),
    );
    expect(answers).toEqual(sizes.map(() => 0));
    const redis = new Redis(url);
    try {
      await eventually(async () => {
        expect(await redis.keys(`${config.keyPrefix}*payload*`)).toEqual([]);
      });
    } finally {
      redis.disconnect();
    }
  });

  it('hands a final error on at once, and runs a passing one again', async () => {
    const config = configFor();
    const producer = startProducer(config);
    let deliveries = 0;
    await startConsumer(config, async (delivered) => {
      const kind = delivered.inputs[0]?.data[0];
      if (kind === 1) throw new SconceError('invalid_tensor', 'no good', { details: { param: 'x' } });
      if (kind === 2 && (deliveries += 1) < 3) throw new SconceError('thread_crashed', 'oops');
      if (kind === 3) throw new SconceError('thread_crashed', 'always');
      return increment(delivered);
    });
    await expect(producer.infer(request([tensor([1])]), soon())).rejects.toMatchObject({
      code: 'invalid_tensor',
      details: { param: 'x' },
    });
    const { outputs } = await producer.infer(request([tensor([2])]), soon());
    expect([[...outputs[0]!.data], deliveries]).toEqual([[3], 3]);
    await expect(producer.infer(request([tensor([3])]), soon())).rejects.toMatchObject({ code: 'thread_crashed' });
  });

  it('gives up at the deadline, forgets a caller that has gone, and refuses what it may not hold', async () => {
    const producer = startProducer(configFor({ maxOutstanding: 1 }));
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

  it('does not run what is past its deadline when a worker gets to it', async () => {
    const config = configFor();
    const producer = startProducer(config);
    await expect(producer.infer(request([tensor([1])]), soon(100))).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    const ran: number[] = [];
    await startConsumer(config, async (delivered) => {
      ran.push(delivered.inputs[0]!.data[0]!);
      return increment(delivered);
    });
    await producer.infer(request([tensor([2])]), soon());
    expect(ran).toEqual([2]);
  });

  it('ends with worker_lost where every delivery dies', async () => {
    const config = configFor();
    const producer = startProducer(config);
    // Stands for a queue job that workers have taken and died with MAX_DELIVERIES times: its counter says so.
    const answer = producer.infer(request([tensor([1])]), soon());
    const redis = new Redis(url);
    try {
      await eventually(async () => {
        const [job] = await redis.lrange(`${config.keyPrefix}:bull:sconce.default.online:wait`, 0, -1);
        expect(job).toBeDefined();
        await redis.hset(`${config.keyPrefix}:bull:sconce.default.online:${job}`, 'ats', MAX_DELIVERIES);
      });
      let ran = false;
      await startConsumer(config, async (delivered) => {
        ran = true;
        return increment(delivered);
      });
      await expect(answer).rejects.toMatchObject({ code: 'worker_lost' });
      expect(ran).toBe(false);
    } finally {
      redis.disconnect();
    }
  });

  it('survives a Redis that restarts and has forgotten everything', async () => {
    const server = await startRedisServer({});
    closers.push(() => server.stop());
    const config = configFor({ redisUrl: server.url });
    const producer = startProducer(config);
    const gate = Promise.withResolvers<void>();
    let held = 0;
    await startConsumer(config, async (delivered) => {
      if (delivered.inputs[0]?.data[0] === 9 && (held += 1) === 1) await gate.promise;
      return increment(delivered);
    });
    await producer.infer(request([tensor([1])]), soon());
    const across = producer.infer(request([tensor([9])]), soon(20_000));
    await eventually(() => {
      expect(held).toBe(1);
    });
    await server.restart();
    gate.resolve();
    const answer = await across;
    expect([...answer.outputs[0]!.data]).toEqual([10]);
    expect([...(await producer.infer(request([tensor([3])]), soon())).outputs[0]!.data]).toEqual([4]);
  });

  it('answers redis_unavailable within seconds while Redis is away', async () => {
    const server = await startRedisServer({});
    const producer = startProducer(configFor({ redisUrl: server.url }));
    await eventually(async () => {
      expect(await producer.ping()).toBe(true);
    });
    await server.stop();
    const started = Date.now();
    await expect(producer.infer(request([tensor([1])]), soon(30_000))).rejects.toMatchObject({
      code: 'redis_unavailable',
    });
    expect(Date.now() - started).toBeLessThan(10_000);
    expect(await producer.ping()).toBe(false);
  });
});

describe('submit', () => {
  const options = { lane: 'batch', attachment: { how: 'json' } } as const;

  it('keeps a job through its states until its result is fetched', async () => {
    const config = configFor();
    const producer = startProducer(config);
    const { id, replayed } = await producer.submit(request([tensor([1, 2])]), options);
    expect(replayed).toBe(false);
    expect(await producer.job(id)).toMatchObject({ id, status: 'queued', model: 'm', attachment: { how: 'json' } });
    await startConsumer(config, increment, 'batch');
    await eventually(async () => {
      expect((await producer.job(id)).status).toBe('succeeded');
    });
    expect([...(await producer.result(id))[0]!.data]).toEqual([2, 3]);
  });

  it('records a failure with its code', async () => {
    const config = configFor();
    const producer = startProducer(config);
    await startConsumer(config, () => Promise.reject(new SconceError('inference_failed', 'bad row')), 'batch');
    const { id } = await producer.submit(request([tensor([1])]), options);
    await eventually(async () => {
      expect(await producer.job(id)).toMatchObject({ status: 'failed', error: { code: 'inference_failed' } });
    });
    await expect(producer.result(id)).rejects.toMatchObject({ code: 'job_not_found' });
  });

  it('cancels a waiting job unrun, and tells a running one', async () => {
    const config = configFor();
    const producer = startProducer(config);
    const waiting = await producer.submit(request([tensor([1])]), options);
    expect(await producer.cancel(waiting.id)).toBe('cancelled');
    const { queues = [] } = (await producer.census()) ?? {};
    expect(queues.find(({ queue }) => queue === 'sconce.default.batch')?.jobs).toMatchObject({ waiting: 0, active: 0 });
    const ran: number[] = [];
    const aborted = Promise.withResolvers<void>();
    const consumer = await startConsumer(
      config,
      async (delivered: DeliveredRequest) => {
        ran.push(delivered.inputs[0]!.data[0]!);
        delivered.signal.addEventListener('abort', () => aborted.resolve());
        await aborted.promise;
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
    await aborted.promise;
    expect((await producer.job(running.id)).status).toBe('cancelled');
    expect(ran).toEqual([2]);
  });

  it('makes one job of one idempotency key, and refuses another request under it', async () => {
    const config = configFor();
    const producer = startProducer(config);
    const idempotency = { key: 'once', scope: 'job', fingerprint: 'a' };
    const submitted = await Promise.all(
      Array.from({ length: 10 }, () => producer.submit(request([tensor([1])]), { ...options, idempotency })),
    );
    expect(new Set(submitted.map(({ id }) => id)).size).toBe(1);
    let runs = 0;
    await startConsumer(
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
    const config = configFor({ maxBacklog: 1 });
    const producer = startProducer(config);
    const keyed = { ...options, idempotency: { key: 'half', scope: 'job', fingerprint: 'a' } };
    const { id } = await producer.submit(request([tensor([1])]), keyed);
    // As if the producer had died between the record and the queue.
    const redis = new Redis(url);
    await redis.del(`${config.keyPrefix}:bull:sconce.default.batch:wait`);
    await redis.del(`${config.keyPrefix}:bull:sconce.default.batch:${id}`);
    redis.disconnect();
    expect(await producer.submit(request([tensor([1])]), keyed)).toEqual({ id, replayed: true });
    await startConsumer(config, increment, 'batch');
    await eventually(async () => {
      expect((await producer.job(id)).status).toBe('succeeded');
    });
    // And a repetition is never refused for want of room: it takes none.
    expect(await producer.submit(request([tensor([1])]), keyed)).toEqual({ id, replayed: true });
  });

  it('refuses jobs beyond the backlog, with a time to come back', async () => {
    const producer = startProducer(configFor({ maxBacklog: 3 }));
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
    const producer = startProducer(configFor());
    await expect(producer.job('nope')).rejects.toMatchObject({ code: 'job_not_found' });
    await expect(producer.cancel('nope')).rejects.toMatchObject({ code: 'job_not_found' });
  });
});
