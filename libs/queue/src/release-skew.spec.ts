import { readFileSync } from 'node:fs';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import {
  chunkJobSchema,
  inferJobSchema,
  plannerJobSchema,
  registrationJobSchema,
  webhookJobSchema,
  type Notice,
  type Reply,
} from '@sconce/contracts';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { PlannerConsumer } from './consumers/planner-consumer.ts';
import { Keys } from './redis/keys.ts';
import type { DeliveredRequest } from './consumers/request-consumer.ts';
import { openConsumer, openRequestConsumer, type OpenConsumer } from './testing/open-consumer.ts';
import { WorkerConnections } from './redis/worker-connections.ts';
import { queueConfigSchema, type QueueConfig } from './queue-config.ts';
import { PLANNER_QUEUE, REGISTRATION_QUEUE, WEBHOOK_QUEUE, laneQueueName } from './queue-names.ts';
import { RegistrationConsumer } from './consumers/registration-consumer.ts';
import { ReplyReader } from './messages/reply-channel.ts';
import { WebhookConsumer } from './consumers/webhook-consumer.ts';

// While a release is rolled out, processes of two of them share one Redis.

failOnLeaks({ settleMs: 3_000 });
const { url, prefix } = testRedis();

/** Data that release 0.1.0 wrote to Redis. */
const WRITTEN = JSON.parse(
  readFileSync(new URL('../fixtures/release-0.1.0.json', import.meta.url), 'utf8'),
) as Readonly<Record<'infer' | 'registration' | 'planner' | 'chunk' | 'webhook', Record<string, unknown>>> & {
  readonly notices: readonly Notice[];
};

let systems = 0;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function newConfig(): QueueConfig {
  return queueConfigSchema.parse({ redisUrl: url, keyPrefix: `${prefix}-skew-${systems++}` });
}

const onError = (): void => undefined;

async function queueOf(config: QueueConfig, name: string): Promise<Queue> {
  const queue = new Queue(name, { connection: { url }, prefix: new Keys(config.keyPrefix).bullmq });
  closers.push(() => queue.close());
  await queue.waitUntilReady();
  return queue;
}

async function startLane(config: QueueConfig, handled: DeliveredRequest[]): Promise<void> {
  const consumer = openRequestConsumer(config, {
    concurrency: 4,
    handle: async (delivered) => {
      handled.push(delivered);
      const [input] = delivered.inputs;
      const timing = { queueMs: 0, batchMs: 0, runMs: 0, batchRows: 1 };
      return { outputs: input === undefined ? [] : [{ ...input, name: 'y' }], timing };
    },
  });
  closers.push(() => consumer.close(5_000));
  await consumer.ready();
}

describe('data of the release before', () => {
  const contracts = {
    infer: inferJobSchema,
    registration: registrationJobSchema,
    planner: plannerJobSchema,
    chunk: chunkJobSchema,
    webhook: webhookJobSchema,
  };

  it.each(Object.keys(contracts) as (keyof typeof contracts)[])('holds a valid %s job', (kind) => {
    expect(contracts[kind].parse(WRITTEN[kind])).toEqual(WRITTEN[kind]);
  });

  it.each(Object.keys(contracts) as (keyof typeof contracts)[])(
    'may hold a %s job with fields of a later release',
    (kind) => {
      expect(contracts[kind].parse({ ...WRITTEN[kind], later: { x: 1 } })).toEqual(WRITTEN[kind]);
    },
  );

  it('holds requests that are run and answered', async () => {
    const config = newConfig();
    const stream = new Keys(config.keyPrefix).replies('golden');
    const handled: DeliveredRequest[] = [];
    await startLane(config, handled);
    const replies: Reply[] = [];
    const reader = new ReplyReader({ redis: new Redis(url), stream, onReply: (reply) => replies.push(reply) });
    reader.start();
    closers.push(() => reader.stop());
    const queue = await queueOf(config, laneQueueName('default', 'online'));
    await queue.add('infer', { ...WRITTEN.infer, replyTo: stream });
    await eventually(() => {
      expect(replies).toHaveLength(2);
    });
    const values = replies.map(({ id, outcome }) => [id, outcome.ok && [...(outcome.outputs[0]?.data ?? [])]]);
    expect(Object.fromEntries(values)).toEqual({ r1: [1, 2], r2: [3] });
    expect(handled.map(({ request }) => request.priority)).toEqual([7, undefined]);
  });

  it('holds notices that are received; later kinds of notices are ignored', async () => {
    const config = newConfig();
    const heard: Notice[] = [];
    const connections = new WorkerConnections(config, onError);
    connections.listen((notice) => heard.push(notice));
    closers.push(() => connections.close());
    const redis = new Redis(url);
    closers.push(() => redis.quit());
    const channel = new Keys(config.keyPrefix).notices();
    await eventually(async () => {
      expect(await redis.publish(channel, '{"kind":"later"}')).toBe(1);
    });
    for (const notice of WRITTEN.notices) await redis.publish(channel, JSON.stringify(notice));
    await eventually(() => {
      expect(heard).toEqual(WRITTEN.notices);
    });
  });
});

describe('a job with the contract of the next release', () => {
  const later = (job: Record<string, unknown>): Record<string, unknown> => ({ ...job, v: 2, requests: 'otherwise' });
  const handled: string[] = [];
  const note = (what: string) => async (): Promise<void> => {
    handled.push(what);
  };

  it.each<[string, string, Record<string, unknown>, (config: QueueConfig) => OpenConsumer]>([
    [
      'a request',
      laneQueueName('default', 'online'),
      WRITTEN.infer,
      (config) =>
        openRequestConsumer(config, { concurrency: 1, handle: () => Promise.reject(new Error('not to be run')) }),
    ],
    [
      'a registration',
      REGISTRATION_QUEUE,
      WRITTEN.registration,
      (config) => {
        const consumer = new RegistrationConsumer({ handle: note('registered'), onFailed: note('failed') });
        return openConsumer(config, 'registration', consumer);
      },
    ],
    [
      'a batch',
      PLANNER_QUEUE,
      WRITTEN.planner,
      (config) => openConsumer(config, 'planner', new PlannerConsumer({ handle: note('planned') })),
    ],
    [
      'a webhook',
      WEBHOOK_QUEUE,
      WRITTEN.webhook,
      (config) =>
        openConsumer(
          config,
          'webhooks',
          new WebhookConsumer({
            handle: () => Promise.reject(new Error('not to be sent')),
            onGivenUp: () => void handled.push('given up'),
          }),
        ),
    ],
  ])('%s is left to a worker of that release, unharmed', async (_name, queueName, job, open) => {
    handled.splice(0);
    const config = newConfig();
    const queue = await queueOf(config, queueName);
    const consumer = open(config);
    closers.push(() => consumer.close(5_000));
    const added = await queue.add('later', later(job), { attempts: 1 });
    // It is taken and put aside some times.
    await eventually(async () => {
      expect(await queue.getDelayedCount()).toBe(1);
    });
    await eventually(
      async () => {
        expect(await queue.getActiveCount()).toBe(0);
        expect((await queue.getJob(added.id ?? ''))?.attemptsStarted).toBe(0);
        expect((await queue.getJob(added.id ?? ''))?.processedOn ?? 0).toBeGreaterThan(added.timestamp + 400);
      },
      { timeoutMs: 10_000 },
    );
    const next: number[] = [];
    const worker = new Worker(
      queueName,
      async (taken) => {
        next.push(taken.attemptsStarted);
        expect(taken.data).toEqual(later(job));
      },
      { connection: { url }, prefix: new Keys(config.keyPrefix).bullmq },
    );
    worker.on('error', onError);
    closers.push(() => worker.close());
    await eventually(
      () => {
        expect(next).toEqual([1]);
      },
      { timeoutMs: 10_000 },
    );
    expect(handled).toEqual([]);
  });
});
