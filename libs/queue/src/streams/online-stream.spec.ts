import { afterEach, describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { startRedisServer } from '@sconce/redis-server';
import type { RequestHandler } from '../consumers/request-consumer.ts';
import { MAX_DELIVERIES } from '../queue-options.ts';
import { increment, soon } from '../testing/queue-system.ts';
import { StreamSystem, request, valueOf } from '../testing/stream-system.ts';
import { decodeRequestEntry, encodeRequestEntry } from './request-entry.ts';
import { entriesIn } from './stream-entries.ts';
import { WORKERS_GROUP } from './workers-group.ts';

failOnLeaks();
const system = new StreamSystem(testRedis());
afterEach(() => system.close());

describe('the stream of online requests', () => {
  it('answers requests, merged and alone, and leaves nothing in the stream', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    await system.consumer(own);
    const values = Array.from({ length: 200 }, (_, n) => n);
    const answers = await Promise.all(values.map((value) => producer.infer(request(value), soon())));
    expect(answers.map(valueOf)).toEqual(values.map((value) => value + 1));
    const redis = system.redis(own);
    await eventually(async () => {
      expect(await redis.call('XLEN', own.keys.onlineStream('default'))).toBe(0);
    });
    expect(producer.size).toBe(0);
  });

  it('costs Redis at most eight commands for a request alone and two for one of many', async () => {
    const server = await startRedisServer({});
    system.onClose(() => server.stop());
    const own = system.installation(server.url);
    const producer = system.producer(own);
    await system.consumer(own);
    const redis = system.redis(own);
    const commands = async (): Promise<number> =>
      Number(/total_commands_processed:(\d+)/.exec(String(await redis.call('INFO', 'stats')))?.[1]);
    const cost = async (requests: number, work: () => Promise<unknown>): Promise<number> => {
      const before = await commands();
      await work();
      return ((await commands()) - before) / requests;
    };
    await producer.infer(request(1), soon());
    const alone = async (): Promise<void> => {
      for (let n = 0; n < 50; n++) await producer.infer(request(1), soon());
    };
    expect(await cost(50, alone)).toBeLessThanOrEqual(8);
    expect(await cost(64 * 50, () => Promise.all(Array.from({ length: 64 }, alone)))).toBeLessThanOrEqual(2);
  });

  it('hands the errors of workers to the caller, and runs a request again after an error that may pass', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    let runs = 0;
    await system.consumer(own, {
      handle: (delivered) => {
        const value = delivered.inputs[0]?.data[0];
        if (value === 1) throw new SconceError('invalid_tensor', 'no good', { details: { param: 'x' } });
        if (value === 2 && (runs += 1) < 3) throw new SconceError('thread_crashed', 'passes');
        if (value === 3) throw new SconceError('thread_crashed', 'stays');
        return increment(delivered);
      },
    });
    await expect(producer.infer(request(1), soon())).rejects.toMatchObject({
      code: 'invalid_tensor',
      details: { param: 'x' },
    });
    expect(valueOf(await producer.infer(request(2), soon()))).toBe(3);
    expect(runs).toBe(3);
    await expect(producer.infer(request(3), soon())).rejects.toMatchObject({
      code: 'thread_crashed',
      message: 'stays',
    });
  });

  it('gives the entry of a dead worker to another one, its requests one by one', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    const redis = system.redis(own);
    const stream = own.keys.onlineStream('default');
    await redis.call('XGROUP', 'CREATE', stream, WORKERS_GROUP, '0', 'MKSTREAM');
    const answers = Promise.all([1, 2, 3].map((value) => producer.infer(request(value), soon(20_000))));
    // A worker that reads the entry and is never heard of again.
    await redis.call(...['XREADGROUP', 'GROUP', WORKERS_GROUP, 'dead', 'BLOCK', 5_000, 'STREAMS', stream, '>']);
    const seen: [number, number][] = [];
    await system.consumer(own, {
      handle: (delivered) => {
        seen.push([delivered.delivery, delivered.jobRequests]);
        return increment(delivered);
      },
    });
    expect((await answers).map(valueOf)).toEqual([2, 3, 4]);
    expect(seen).toEqual([
      [2, 1],
      [2, 1],
      [2, 1],
    ]);
  });

  it('ends a request with worker_lost when every delivery ended its worker', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    const redis = system.redis(own);
    const stream = own.keys.onlineStream('default');
    const answer = producer.infer(request(1), soon(20_000));
    await eventually(async () => {
      expect(await redis.call('XLEN', stream)).toBe(1);
    });
    const [[, frame] = [, Buffer.alloc(0)]] = entriesIn(await redis.call('XRANGE', stream, '-', '+'));
    await redis.call('DEL', stream);
    const entry = { ...decodeRequestEntry(frame), deliveries: MAX_DELIVERIES };
    await redis.call('XADD', stream, '*', 'f', encodeRequestEntry(entry));
    let ran = false;
    await system.consumer(own, {
      handle: (delivered) => {
        ran = true;
        return increment(delivered);
      },
    });
    await expect(answer).rejects.toMatchObject({ code: 'worker_lost' });
    expect(ran).toBe(false);
  });

  it('keeps an entry that runs longer than the claim time', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    let runs = 0;
    const slow: RequestHandler = async (delivered) => {
      runs += 1;
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      return increment(delivered);
    };
    await system.consumer(own, { handle: slow });
    await system.consumer(own, { handle: slow });
    expect(valueOf(await producer.infer(request(1), soon(20_000)))).toBe(2);
    expect(runs).toBe(1);
  });

  it('hands back what outlasts the grace period, uncounted; another worker runs it', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    const { promise: never } = Promise.withResolvers<never>();
    const { promise: taken, resolve: take } = Promise.withResolvers<undefined>();
    const hurried = await system.consumer(own, {
      handle: () => {
        take(undefined);
        return never;
      },
    });
    const answer = producer.infer(request(1), soon());
    await taken;
    expect(await hurried.close(100)).toBe(false);
    const deliveries: number[] = [];
    await system.consumer(own, {
      handle: (delivered) => {
        deliveries.push(delivered.delivery);
        return increment(delivered);
      },
    });
    expect(valueOf(await answer)).toBe(2);
    expect(deliveries).toEqual([1]);
  });

  it('finishes what it holds when it is closed with enough time, and takes nothing more', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    const { promise: gate, resolve: open } = Promise.withResolvers<undefined>();
    const consumer = await system.consumer(own, {
      handle: async (delivered) => {
        await gate;
        return increment(delivered);
      },
    });
    const answer = producer.infer(request(1), soon());
    await eventually(() => {
      expect(consumer.active).toBe(1);
    });
    const closed = consumer.close(5_000);
    const later = producer.infer(request(2, { model: 'other' }), soon(15_000));
    open(undefined);
    expect(await closed).toBe(true);
    expect(valueOf(await answer)).toBe(2);
    await system.consumer(own);
    expect(valueOf(await later)).toBe(3);
  });

  it('loses no request while workers come and go', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    let asking = true;
    let answers = 0;
    const ask = async (n: number): Promise<void> => {
      for (; asking; answers++) {
        expect(valueOf(await producer.infer(request(n, { model: `m${n}` }), soon(5_000)))).toBe(n + 1);
      }
    };
    const asked = Promise.all(Array.from({ length: 8 }, (_, n) => ask(n)));
    let current = await system.consumer(own);
    for (let n = 0; n < 15; n++) {
      const next = await system.consumer(own);
      expect(await current.close(2_000)).toBe(true);
      current = next;
    }
    asking = false;
    await asked;
    expect(answers).toBeGreaterThan(100);
  });

  it('survives a Redis that restarts and has forgotten everything', async () => {
    const server = await startRedisServer({});
    system.onClose(() => server.stop());
    const own = system.installation(server.url);
    const producer = system.producer(own);
    const { promise: gate, resolve: open } = Promise.withResolvers<undefined>();
    let held = 0;
    await system.consumer(own, {
      handle: async (delivered) => {
        if (delivered.inputs[0]?.data[0] === 9 && (held += 1) === 1) await gate;
        return increment(delivered);
      },
    });
    await producer.infer(request(1), soon());
    const across = producer.infer(request(9), soon(20_000));
    await eventually(() => {
      expect(held).toBe(1);
    });
    await server.restart();
    open(undefined);
    expect(valueOf(await across)).toBe(10);
    expect(valueOf(await producer.infer(request(3), soon()))).toBe(4);
  });
});
