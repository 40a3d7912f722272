import { Queue } from 'bullmq';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { ChunkJob, RegistrationJob, WebhookJob } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { describeQueue, type QueueId } from '../queue-names.ts';
import { jobOptionsOf } from '../queue-options.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { QueueSystem } from '../testing/queue-system.ts';
import { ChunkConsumer } from './chunk-consumer.ts';
import { FailedJobs } from './failed-jobs.ts';
import type { JobConsumer } from './job-consumer.ts';
import { QueueConsumer } from './queue-consumer.ts';
import { RegistrationConsumer } from './registration-consumer.ts';
import { WebhookConsumer } from './webhook-consumer.ts';

// Whatever lies in a failed set is ended, over a real Redis.

failOnLeaks({ settleMs: 3_000 });
const system = new QueueSystem(testRedis());
afterEach(() => system.close());

const CHUNK: ChunkJob = {
  v: 1,
  batchId: 'batch_1',
  run: 1,
  index: 0,
  model: 'm',
  version: '1',
  range: { firstRow: 0, rows: 1, offset: 0, length: 2 },
};
const REGISTRATION: RegistrationJob = { v: 1, model: 'm', version: '1' };
const WEBHOOK: WebhookJob = {
  v: 1,
  eventId: 'evt_1',
  type: 'batch.completed',
  createdAt: 1,
  data: { id: 'batch_1' },
  url: 'https://example.com/',
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
};

interface Opened {
  readonly connections: WorkerConnections;
  readonly queue: Queue;
  readonly errors: string[];
  /** Looks at the failed set once. */
  look(consumer: JobConsumer): Promise<void>;
}

function open(id: QueueId): Opened {
  const errors: string[] = [];
  const connections = new WorkerConnections(system.config(), (error) => errors.push(error.message));
  const prefix = connections.keys.bullmq;
  const queue = new Queue(describeQueue(id).name, { connection: connections.patient, prefix });
  system.onClose(async () => {
    await queue.close();
    await connections.close();
  });
  const look = async (consumer: JobConsumer): Promise<void> => {
    const failed = new FailedJobs(connections, { queues: [{ queue: id, consumers: [consumer] }] });
    await failed.endAll();
    await failed.close();
  };
  return { connections, queue, errors, look };
}

/** Adds a job that BullMQ has filed as failed, as it does with a job that stalls too often. */
async function addFailed(
  { connections, queue }: Opened,
  id: QueueId,
  job: { name: string; data: object },
): Promise<void> {
  const options = { ...jobOptionsOf(describeQueue(id).kind), attempts: 1, jobId: 'job-1', removeOnFail: false };
  await queue.add(job.name, job.data, options);
  const consumer = {
    jobName: job.name,
    schema: z.unknown(),
    consume: () => Promise.reject(new Error('it stalled')),
    abandon: () => Promise.resolve(),
  };
  const worker = new QueueConsumer(connections, { queue: id, consumers: [consumer] });
  await eventually(async () => expect(await queue.getFailedCount()).toBe(1));
  await worker.close(5_000);
}

const LANE = { pool: 'p', lane: 'batch' } as const;

describe('a job in a failed set', () => {
  it.each<[string, QueueId, object, (ended: (job: unknown, error: SconceError) => void) => JobConsumer]>([
    [
      'chunk',
      LANE,
      CHUNK,
      (ended) =>
        new ChunkConsumer({ handle: () => Promise.resolve(), abandon: async (job, error) => ended(job, error) }),
    ],
    [
      'register',
      'registration',
      REGISTRATION,
      (ended) =>
        new RegistrationConsumer({
          handle: () => Promise.resolve(),
          onFailed: async (job, error) => ended(job, error),
        }),
    ],
  ])('%s is ended, and removed', async (name, id, data, consumerOf) => {
    const opened = open(id);
    await addFailed(opened, id, { name, data });
    const ended: unknown[] = [];
    await opened.look(consumerOf((job, error) => ended.push(job, error.code, error.message)));
    expect(ended).toEqual([data, 'worker_lost', 'The job was given up: it stalled']);
    expect(await opened.queue.getJob('job-1')).toBeUndefined();
  });

  it('deliver is given up once, and stays for people to look at', async () => {
    const opened = open('webhooks');
    await addFailed(opened, 'webhooks', { name: 'deliver', data: WEBHOOK });
    const givenUp: string[] = [];
    const consumer = new WebhookConsumer({
      handle: () => Promise.reject(new Error('not called')),
      onGivenUp: ({ eventId }) => givenUp.push(eventId),
    });
    await opened.look(consumer);
    await opened.look(consumer);
    expect(givenUp).toEqual(['evt_1']);
    expect(await opened.queue.getFailedCount()).toBe(1);
  });

  it('stays until it can be ended', async () => {
    const opened = open(LANE);
    await addFailed(opened, LANE, { name: 'chunk', data: CHUNK });
    let away = true;
    const consumer = new ChunkConsumer({
      handle: () => Promise.resolve(),
      abandon: () =>
        away ? Promise.reject(new SconceError('storage_unavailable', 'the store is away')) : Promise.resolve(),
    });
    await opened.look(consumer);
    expect(opened.errors).toEqual(['the store is away']);
    expect(await opened.queue.getFailedCount()).toBe(1);
    away = false;
    await opened.look(consumer);
    expect(await opened.queue.getFailedCount()).toBe(0);
  });

  it.each([
    ['of a newer release is left to its workers', { ...CHUNK, v: 2 }],
    ['that breaks its contract stays, and is not looked at again', { ...CHUNK, range: undefined }],
  ])('%s', async (_what, data) => {
    const opened = open(LANE);
    await addFailed(opened, LANE, { name: 'chunk', data: { ...data, v: 1 } });
    await opened.queue.getJob('job-1').then((job) => job?.updateData(data));
    const abandoned: unknown[] = [];
    const consumer = new ChunkConsumer({
      handle: () => Promise.resolve(),
      abandon: async (job) => void abandoned.push(job),
    });
    await opened.look(consumer);
    expect(abandoned).toEqual([]);
    expect(await opened.queue.getFailedCount()).toBe(1);
  });
});

describe('a job whose error ends by waiting', () => {
  it('is delivered again more often than there are attempts, and uncounted', async () => {
    const opened = open(LANE);
    const seen: number[] = [];
    let taken = 0;
    const consumer = new ChunkConsumer({
      handle: async ({ delivery }) => {
        seen.push(delivery);
        taken += 1;
        if (taken <= 3) throw new SconceError('storage_unavailable', 'the store is away');
      },
      abandon: () => Promise.reject(new Error('not called')),
    });
    const events: string[] = [];
    const worker = new QueueConsumer(opened.connections, {
      queue: LANE,
      consumers: [consumer],
      onJob: (event) => events.push(event),
    });
    system.onClose(() => worker.close(5_000));
    await opened.queue.add('chunk', CHUNK, { ...jobOptionsOf('batch'), attempts: 2 });
    await eventually(() => expect(events.at(-1)).toBe('answered'), { timeoutMs: 20_000 });
    expect(seen).toEqual([1, 1, 1, 1]);
    expect(events.filter((event) => event === 'retried')).toHaveLength(3);
  });

  it('is delivered again when its failure could not be told', async () => {
    const opened = open('registration');
    const told: string[] = [];
    let full = true;
    const consumer = new RegistrationConsumer({
      handle: () => Promise.reject(new SconceError('model_invalid', 'no')),
      onFailed: async (_job, { code }) => {
        if (full) throw new SconceError('storage_full', 'the manifest cannot be written');
        told.push(code);
      },
    });
    const worker = new QueueConsumer(opened.connections, { queue: 'registration', consumers: [consumer] });
    system.onClose(() => worker.close(5_000));
    await opened.queue.add('register', REGISTRATION, jobOptionsOf('registration'));
    await eventually(() => expect(opened.errors).toEqual(['the manifest cannot be written']));
    full = false;
    await eventually(() => expect(told).toEqual(['model_invalid']), { timeoutMs: 20_000 });
  });
});
