import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import type { RequestHandler } from '../consumers/request-consumer.ts';
import { increment, soon } from '../testing/queue-system.ts';
import { entriesIn } from './stream-entries.ts';
import { StreamSystem, request, valueOf } from '../testing/stream-system.ts';

failOnLeaks();
const system = new StreamSystem(testRedis());
afterEach(() => system.close());

describe('the stream of online requests, at its limits,', () => {
  it('lets an idle worker take what a busy one does not', async () => {
    const own = system.installation();
    const producer = system.producer(own, 24);
    const taken = { busy: 0, idle: 0 };
    const { promise: gate, resolve: open } = Promise.withResolvers<undefined>();
    const handle =
      (who: 'busy' | 'idle'): RequestHandler =>
      async (delivered) => {
        taken[who] += 1;
        if (who === 'busy') await gate;
        return increment(delivered);
      };
    await system.consumer(own, { handle: handle('idle') });
    await system.consumer(own, { handle: handle('busy'), hasRoom: () => false });
    const values = Array.from({ length: 20 }, (_, n) => n);
    const answers = values.map((value) => producer.infer(request(value, { model: `m${value}` }), soon()));
    await eventually(() => {
      expect(taken.busy + taken.idle).toBe(20);
    });
    open(undefined);
    await Promise.all(answers);
    expect(taken.idle).toBeGreaterThan(taken.busy);
  });

  it('refuses at the deadline, and does not run a request whose deadline has passed', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    await expect(producer.infer(request(1), soon(100))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const ran: (number | undefined)[] = [];
    await system.consumer(own, {
      handle: (delivered) => {
        ran.push(delivered.inputs[0]?.data[0]);
        return increment(delivered);
      },
    });
    await producer.infer(request(2), soon());
    expect(ran).toEqual([2]);
  });

  it('leaves no listener on the signal of a caller, however the request ends', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;
    const endOf = async (
      start: (signal: AbortSignal) => Promise<unknown>,
      abort?: AbortController,
    ): Promise<string> => {
      const { signal } = abort ?? new AbortController();
      const ended = start(signal).then(
        () => 'answered',
        (error: unknown) => (error as SconceError).code,
      );
      expect(listeners(signal)).toBe(1);
      abort?.abort();
      const end = await ended;
      expect(listeners(signal)).toBe(0);
      return end;
    };
    const ask = (signal: AbortSignal, ms?: number): Promise<unknown> =>
      producer.infer(request(1), { ...soon(ms), signal });
    expect(await endOf((signal) => ask(signal, 100))).toBe('deadline_exceeded');
    expect(await endOf(ask, new AbortController())).toBe('job_cancelled');
    await expect(ask(AbortSignal.abort())).rejects.toMatchObject({ code: 'job_cancelled' });
    await system.consumer(own, {
      handle: (delivered) => {
        if (delivered.request.priority === 9) throw new SconceError('invalid_tensor', 'no good');
        return increment(delivered);
      },
    });
    expect(await endOf(ask)).toBe('answered');
    const failing = (signal: AbortSignal): Promise<unknown> =>
      producer.infer(request(1, { priority: 9 }), { ...soon(), signal });
    expect(await endOf(failing)).toBe('invalid_tensor');
  });

  it('holds few requests of one line in Redis, however many wait: another line goes past them', async () => {
    const own = system.installation();
    const producer = system.producer(own);
    const redis = system.redis(own);
    const burst = Array.from({ length: 500 }, (_, n) => producer.infer(request(n % 200), soon(20_000)));
    const urgent = producer.infer(request(7, { priority: 1 }), soon(20_000));
    const other = producer.infer(request(8, { model: 'other' }), soon(20_000));
    const owner = producer.infer(request(9, { owner: 'b' }), soon(20_000));
    await eventually(async () => {
      expect(await redis.call('XLEN', own.keys.onlineStream('default'))).toBe(5);
    });
    await system.consumer(own);
    expect([await urgent, await other, await owner].map(valueOf)).toEqual([8, 9, 10]);
    await Promise.all(burst);
  });

  it('leaves an entry of a newer release to newer workers, and reports and removes one that is damaged', async () => {
    const own = system.installation();
    const redis = system.redis(own);
    const stream = own.keys.onlineStream('default');
    const newer = Buffer.from([2, 0, 1, 2, 3]);
    const errors: string[] = [];
    const handled: string[] = [];
    await system.consumer(
      own,
      {
        handle: (delivered) => {
          handled.push(delivered.model);
          return increment(delivered);
        },
      },
      (error) => errors.push(error.message),
    );
    await redis.call('XADD', stream, '*', 'f', newer);
    await redis.call('XADD', stream, '*', 'f', Buffer.from([1, 9, 9]));
    await eventually(() => expect(errors).toHaveLength(1));
    // Others are served meanwhile.
    expect(valueOf(await system.producer(own).infer(request(1), soon()))).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 600));
    // A copy is written before the original is deleted.
    const left = entriesIn(await redis.call('XRANGE', stream, '-', '+')).map(([, frame]) => frame.join());
    expect([...new Set(left)]).toEqual([newer.join()]);
    expect(handled).toEqual(['m']);
  });
});
