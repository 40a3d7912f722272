import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import type { WebhookJob } from '@sconce/contracts';
import { eventually, failOnLeaks, startProcess, testRedis } from '@sconce/testing';
import { queueConfigSchema, type QueueConfig } from '../queue-config.ts';
import { WEBHOOK_QUEUE } from '../queue-names.ts';
import { QUEUE_OPTIONS, WEBHOOK_RETRY_DELAYS_MS } from '../queue-options.ts';
import { openConsumer, type OpenConsumer } from '../testing/open-consumer.ts';
import { WebhookConsumer, type WebhookConsumerOptions, type WebhookOutcome } from './webhook-consumer.ts';
import { WebhookQueue } from '../webhooks/webhook-queue.ts';

// Webhooks over a real Redis. A handler of the spec stands for the HTTP delivery.

failOnLeaks({ settleMs: 3_000 });
const { url, prefix } = testRedis();
let systems = 0;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const DELIVERED: WebhookOutcome = { delivered: true, status: 200 };
const failed = (reason = 'no', permanent = false): WebhookOutcome => ({ delivered: false, reason, permanent });
const webhook = (over: Partial<WebhookJob> = {}): WebhookJob => ({
  v: 1,
  eventId: 'evt_1',
  type: 'batch.completed',
  createdAt: 1_700_000_000,
  data: { id: 'batch_1' },
  url: 'https://example.com/',
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  ...over,
});

interface System {
  readonly config: QueueConfig;
  readonly webhooks: WebhookQueue;
  /** The queue as an operator sees it. */
  readonly queue: Queue;
}

function newSystem(): System {
  const config = queueConfigSchema.parse({ redisUrl: url, keyPrefix: `${prefix}-${systems++}` });
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  const webhooks = new WebhookQueue({ redis, keyPrefix: config.keyPrefix, onError: () => undefined });
  const queue = new Queue(WEBHOOK_QUEUE, { connection: redis, prefix: `${config.keyPrefix}:bull` });
  closers.push(async () => {
    await Promise.all([webhooks.close(), queue.close()]);
    redis.disconnect();
  });
  return { config, webhooks, queue };
}

interface Seen {
  readonly attempts: number[];
  readonly givenUp: unknown[];
  readonly errors: string[];
  readonly consumer: OpenConsumer;
}

async function startConsumer(
  config: QueueConfig,
  handle: WebhookConsumerOptions['handle'],
  retryDelaysMs?: readonly number[],
): Promise<Seen> {
  const attempts: number[] = [];
  const givenUp: unknown[] = [];
  const errors: string[] = [];
  const webhooks = new WebhookConsumer({
    handle: (job, attempt) => {
      attempts.push(attempt);
      return handle(job, attempt);
    },
    onGivenUp: (job, reason, made) => givenUp.push([job.eventId, reason, made]),
    retryDelaysMs,
  });
  const consumer = openConsumer(config, 'webhooks', webhooks, (error) => errors.push(error.message));
  closers.push(() => consumer.close(5_000));
  await consumer.ready();
  return { attempts, givenUp, errors, consumer };
}

const quiet = (ms = 300): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

it('hands an event over as it was added, once, however often it was added', async () => {
  const { config, webhooks, queue } = newSystem();
  const job = webhook({ trace: { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` } });
  await Promise.all([webhooks.add(job), webhooks.add(job)]);
  const seen: WebhookJob[] = [];
  await startConsumer(config, async (given) => {
    seen.push(given);
    return DELIVERED;
  });
  await eventually(async () => {
    expect(await queue.getCompletedCount()).toBe(1);
  });
  // A delivered event is not delivered again.
  await webhooks.add({ ...job, createdAt: 1 });
  await webhooks.add(webhook({ eventId: 'evt_2' }));
  await eventually(async () => {
    expect(await queue.getCompletedCount()).toBe(2);
  });
  expect(seen).toEqual([job, webhook({ eventId: 'evt_2' })]);
});

describe('an attempt that fails', () => {
  it('is made again after the schedule’s delays, until one succeeds', async () => {
    const { config, webhooks, queue } = newSystem();
    await webhooks.add(webhook());
    const times: number[] = [];
    const { attempts, givenUp } = await startConsumer(
      config,
      async (_job, attempt) => {
        times.push(performance.now());
        if (attempt === 1) throw new Error('broken');
        return attempt < 4 ? failed() : DELIVERED;
      },
      [50, 100, 200, 400],
    );
    await eventually(async () => {
      expect(await queue.getCompletedCount()).toBe(1);
    });
    expect([attempts, givenUp]).toEqual([[1, 2, 3, 4], []]);
    const waits = times.slice(1).map((time, n) => time - (times[n] ?? 0));
    for (const [n, leastMs] of [50, 100, 200].entries()) expect(waits[n]).toBeGreaterThanOrEqual(leastMs - 5);
  });

  it('waits for seconds at first, in the queue', async () => {
    const { config, webhooks, queue } = newSystem();
    await webhooks.add(webhook());
    const { attempts } = await startConsumer(config, async () => failed('answered 503'));
    await eventually(async () => {
      expect(await queue.getDelayedCount()).toBe(1);
    });
    const [job] = await queue.getDelayed();
    expect(job).toMatchObject({ id: 'evt_1', failedReason: 'answered 503', attemptsMade: 1, opts: { attempts: 8 } });
    expect(job!.delay).toBeGreaterThanOrEqual(5_000);
    expect(job!.delay).toBeLessThanOrEqual(6_000);
    expect(attempts).toEqual([1]);
  });

  it.each([
    ['permanently is the only one', true, [1], 'gone'],
    ['as the last of the schedule is the last', false, [1, 2, 3], 'no'],
  ])(
    '%s: this is reported, the job is kept, and the event is not taken again',
    async (_what, permanent, made, reason) => {
      const { config, webhooks, queue } = newSystem();
      await webhooks.add(webhook());
      const { attempts, givenUp } = await startConsumer(config, async () => failed(reason, permanent), [10, 10]);
      await eventually(async () => {
        expect(await queue.getFailedCount()).toBe(1);
      });
      expect([attempts, givenUp]).toEqual([made, [['evt_1', reason, made.length]]]);
      const [job] = await queue.getFailed();
      expect(job).toMatchObject({ id: 'evt_1', failedReason: reason, attemptsMade: made.length });
      await webhooks.add(webhook());
      await quiet();
      expect(attempts).toEqual(made);
    },
  );
});

it('tries for about a day, and its jobs carry as many attempts as the schedule has', () => {
  const hours = WEBHOOK_RETRY_DELAYS_MS.reduce((sum, ms) => sum + ms, 0) / 3_600_000;
  expect(hours).toBeGreaterThan(24);
  expect(hours).toBeLessThan(30);
  expect(QUEUE_OPTIONS.webhooks.attempts).toBe(WEBHOOK_RETRY_DELAYS_MS.length + 1);
});

it('refuses a job that does not keep the contract, and reports it', async () => {
  const { config, queue } = newSystem();
  await queue.add('deliver', { v: 1 }, { jobId: 'evt_odd', attempts: 8 });
  const { attempts, errors } = await startConsumer(config, async () => DELIVERED);
  await eventually(async () => {
    expect(await queue.getFailedCount()).toBe(1);
  });
  expect([attempts, errors]).toEqual([[], [expect.stringContaining('evt_odd does not keep the contract')]]);
});

describe('a process that ends', () => {
  it('finishes what it has within its grace period', async () => {
    const { config, webhooks, queue } = newSystem();
    const gate = Promise.withResolvers<WebhookOutcome>();
    const { attempts, consumer } = await startConsumer(config, () => gate.promise);
    await webhooks.add(webhook());
    await eventually(() => {
      expect(attempts).toEqual([1]);
    });
    const closed = consumer.close(10_000);
    gate.resolve(DELIVERED);
    expect(await closed).toBe(true);
    expect(await queue.getJobCounts('completed', 'active')).toEqual({ completed: 1, active: 0 });
  });

  it('during a delivery leaves it to another process, under the same id', { timeout: 40_000 }, async () => {
    const { config, webhooks, queue } = newSystem();
    const ids: unknown[] = [];
    // The first request is never answered.
    const receiver = await receive((request, response) => {
      ids.push(request.headers['webhook-id']);
      if (ids.length > 1) response.end();
    });
    const send = `(job) => fetch(job.url, { method: 'POST', headers: { 'webhook-id': job.eventId } })
      .then(({ status }) => ({ delivered: true, status }))`;
    await webhooks.add(webhook({ url: receiver }));
    const moduleUrl = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const doomed = await startProcess({
      command: process.execPath,
      args: [
        '--conditions=@sconce/source',
        '--input-type=module',
        '--eval',
        `import { WebhookConsumer } from ${moduleUrl('./webhook-consumer.ts')};
        import { openConsumer } from ${moduleUrl('../testing/open-consumer.ts')};
        const config = ${JSON.stringify(config)};
        openConsumer(config, 'webhooks', new WebhookConsumer({ handle: ${send}, onGivenUp() {} }));`,
      ],
    });
    await eventually(() => expect(ids).toEqual(['evt_1']), { timeoutMs: 10_000 });
    doomed.kill('SIGKILL');
    await doomed.exited;
    const { attempts } = await startConsumer(config, async (job) => {
      const { status } = await fetch(job.url, { method: 'POST', headers: { 'webhook-id': job.eventId } });
      return { delivered: true, status };
    });
    await eventually(async () => expect(await queue.getCompletedCount()).toBe(1), { timeoutMs: 20_000 });
    // The attempt that was cut off does not count as one of the schedule.
    expect([ids, attempts]).toEqual([['evt_1', 'evt_1'], [1]]);
  });
});

/** A receiver's URL. */
async function receive(listener: RequestListener): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.setHeader('connection', 'close');
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
