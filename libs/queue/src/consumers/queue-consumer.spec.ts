import { Queue } from 'bullmq';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { SconceError } from '@sconce/errors';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { jobOptionsOf } from '../queue-options.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { QueueSystem } from '../testing/queue-system.ts';
import { FinalJobError, type Delivery, type JobConsumer } from './job-consumer.ts';
import { QueueConsumer, type JobEvent } from './queue-consumer.ts';

// What holds for jobs of every kind, over a real Redis.

failOnLeaks({ settleMs: 3_000 });
const testing = testRedis();
const system = new QueueSystem(testing);
afterEach(() => system.close());

const schema = z.object({ v: z.literal(1), n: z.int() });
type Job = z.infer<typeof schema>;

interface Started {
  readonly queue: Queue;
  readonly events: string[];
  readonly errors: string[];
}

async function start(...consumers: JobConsumer[]): Promise<Started> {
  const config = system.config();
  const events: string[] = [];
  const errors: string[] = [];
  const connections = new WorkerConnections(config, (error) => errors.push(error.message));
  const onJob = (event: JobEvent, name: string): void => void events.push(`${name} ${event}`);
  const consumer = new QueueConsumer(connections, { queue: { pool: 'p', lane: 'online' }, consumers, onJob });
  const queue = new Queue('sconce.p.online', { connection: connections.patient, prefix: connections.keys.bullmq });
  system.onClose(async () => {
    await Promise.all([queue.close(), consumer.close(5_000)]);
    await connections.close();
  });
  await consumer.ready();
  return { queue, events, errors };
}

/** A consumer that records its deliveries, and fails as `work` does. */
function consumerOf(jobName: string, work: (delivery: Delivery) => void, seen: number[] = []): JobConsumer<Job> {
  return {
    jobName,
    schema,
    consume: async (_job, delivery) => {
      seen.push(delivery.delivery);
      work(delivery);
    },
    abandon: () => Promise.resolve(),
  };
}

const add = (queue: Queue, name: string, data: object = { v: 1, n: 1 }): Promise<unknown> =>
  queue.add(name, data, jobOptionsOf('online'));

it('gives each job to the consumer of its name', async () => {
  const seen = { one: [] as number[], two: [] as number[] };
  const one = consumerOf('one', () => undefined, seen.one);
  const { queue, events } = await start(
    one,
    consumerOf('two', () => undefined, seen.two),
  );
  await add(queue, 'one');
  await add(queue, 'two');
  await eventually(() =>
    expect(events.filter((event) => event.endsWith('answered')).sort()).toEqual(['one answered', 'two answered']),
  );
  expect(seen).toEqual({ one: [1], two: [1] });
});

it.each([
  ['of a name without a consumer', 'other', { v: 1, n: 1 }, /no consumer for jobs named "other"/],
  ['that breaks its contract', 'one', { v: 1, n: 'x' }, /contract/],
])('fails a job %s at once, and reports it', async (_what, name, data, message) => {
  const seen: number[] = [];
  const { queue, errors } = await start(consumerOf('one', () => undefined, seen));
  await add(queue, name, data);
  await eventually(async () => expect(await queue.getFailedCount()).toBe(1));
  expect(errors).toEqual([expect.stringMatching(message)]);
  expect(seen).toEqual([]);
});

describe('an error of a consumer', () => {
  it('has the job delivered again, and counted', async () => {
    const seen: number[] = [];
    const { queue, events } = await start(
      consumerOf(
        'one',
        ({ delivery }) => {
          if (delivery < 3) throw new Error('not yet');
        },
        seen,
      ),
    );
    await add(queue, 'one');
    await eventually(() => expect(events.at(-1)).toBe('one answered'));
    expect(seen).toEqual([1, 2, 3]);
  });

  it('hands the job back, uncounted, when the worker is shutting down', async () => {
    const seen: number[] = [];
    const { queue, events } = await start(
      consumerOf(
        'one',
        () => {
          if (seen.length < 3) throw new SconceError('shutting_down', 'closing');
        },
        seen,
      ),
    );
    await add(queue, 'one');
    await eventually(() => expect(events.at(-1)).toBe('one answered'));
    expect(seen).toEqual([1, 1, 1]);
    expect(events.filter((event) => event === 'one handed_back')).toHaveLength(2);
  });

  it('ends the job when it is final', async () => {
    const seen: number[] = [];
    const { queue } = await start(
      consumerOf(
        'one',
        () => {
          throw new FinalJobError('never');
        },
        seen,
      ),
    );
    await add(queue, 'one');
    await eventually(async () => expect((await queue.getFailed())[0]?.failedReason).toBe('never'));
    expect(seen).toEqual([1]);
  });

  it.each([
    ['at once when its policy is never', 'invalid_tensor', [1]],
    ['after the last delivery when its policy is backoff', 'thread_crashed', [1, 2, 3, 4]],
  ] as const)('goes to `fail` %s', async (_when, code, deliveries) => {
    const seen: number[] = [];
    const failures: string[] = [];
    const failing = consumerOf(
      'one',
      () => {
        throw new SconceError(code, 'bad');
      },
      seen,
    );
    const { queue, events } = await start({
      ...failing,
      fail: async (_job: unknown, error: SconceError) => void failures.push(error.code),
    });
    await add(queue, 'one');
    await eventually(() => expect(failures).toEqual([code]), { timeoutMs: 10_000 });
    await eventually(() => expect(events.at(-1)).toBe('one answered'));
    expect(seen).toEqual(deliveries);
  });
});
