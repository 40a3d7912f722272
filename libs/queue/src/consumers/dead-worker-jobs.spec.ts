import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { laneQueueName } from '../queue-names.ts';
import { jobOptionsOf } from '../queue-options.ts';
import type { QueueConfig } from '../queue-config.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { QueueSystem } from '../testing/queue-system.ts';
import { DeadWorkerJobs } from './dead-worker-jobs.ts';
import type { Delivery } from './job-consumer.ts';
import { QueueConsumer } from './queue-consumer.ts';

failOnLeaks({ settleMs: 3_000 });
const system = new QueueSystem(testRedis());
afterEach(() => system.close());

const LANE = { pool: 'p', lane: 'batch' } as const;
const schema = z.object({ v: z.literal(1) });
/** Locks run out after 8 s, and are looked at every 4 s. What comes sooner was taken from a dead worker. */
const SOONER_MS = 6_500;

interface Worker {
  readonly connections: WorkerConnections;
  readonly deliveries: Delivery[];
  /** Ends the work of all jobs. */
  readonly finish: () => void;
}

/** A worker that takes one job, and finishes it when it is told. */
async function start(config: QueueConfig): Promise<Worker> {
  const connections = new WorkerConnections(config, () => undefined);
  const deliveries: Delivery[] = [];
  const gate = Promise.withResolvers<void>();
  const consume = async (_job: unknown, delivery: Delivery): Promise<void> => {
    deliveries.push(delivery);
    await gate.promise;
  };
  const job = { jobName: 'work', schema, consume, abandon: () => Promise.resolve() };
  const consumer = new QueueConsumer(connections, { queue: LANE, consumers: [job], concurrency: 1 });
  const dead = new DeadWorkerJobs(connections, [consumer]);
  dead.start();
  system.onClose(async () => {
    gate.resolve();
    dead.stop();
    await consumer.close(1_000);
    await connections.close();
  });
  await consumer.ready();
  return { connections, deliveries, finish: gate.resolve };
}

async function add({ connections }: Worker): Promise<string> {
  const name = laneQueueName(LANE.pool, LANE.lane);
  const queue = new Queue(name, { connection: connections.patient, prefix: connections.keys.bullmq });
  system.onClose(() => queue.close());
  await queue.add('work', { v: 1 }, { ...jobOptionsOf('batch'), jobId: 'the-job' });
  return `${connections.keys.bullmq}:${name}:the-job:lock`;
}

/** Makes a lock as old as it is just before it runs out, again and again. */
function keepOld(redis: Redis, lock: string): void {
  const timer = setInterval(() => void redis.pexpire(lock, 1_500).catch(() => undefined), 100);
  system.onClose(async () => clearInterval(timer));
}

describe('a queue job of a worker whose process has ended', () => {
  it('goes to another worker long before its lock runs out, as a counted delivery', async () => {
    const config = system.config();
    const first = await start(config);
    await add(first);
    await eventually(() => expect(first.deliveries).toHaveLength(1));
    const others = await Promise.all([start(config), start(config)]);
    // As the end of a process does: its connections close, and nothing is renewed.
    first.connections.online.close();
    first.connections.patient.disconnect();
    const taken = (): Delivery[] => others.flatMap(({ deliveries }) => deliveries);
    await eventually(() => expect(taken()).toHaveLength(1), { timeoutMs: SOONER_MS });
    expect(taken()).toMatchObject([{ delivery: 2, workersLost: 1, failures: 0 }]);
  }, 30_000);
});

describe('a queue job stays with a living worker', () => {
  it.each([
    // Its locks are renewed on the other connection.
    ['that has lost its channel', ({ connections: { online } }: Worker) => online.close()],
    // Its channel shows that the process lives, for example one that is stopped for a moment.
    ['that is late to renew its locks', ({ connections: { patient } }: Worker, lock: string) => keepOld(patient, lock)],
  ])(
    '%s',
    async (_what, lose) => {
      const config = system.config();
      const first = await start(config);
      const lock = await add(first);
      await eventually(() => expect(first.deliveries).toHaveLength(1));
      const other = await start(config);
      lose(first, lock);
      // Longer than a look, and than the age from which a lock may be taken.
      await new Promise((resolve) => setTimeout(resolve, 4_500));
      expect(await other.connections.patient.exists(lock)).toBe(1);
      expect(other.deliveries).toEqual([]);
      first.finish();
    },
    30_000,
  );
});
