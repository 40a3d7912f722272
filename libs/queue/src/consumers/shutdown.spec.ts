import { afterEach, describe, expect, it } from 'vitest';
import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import { eventually, failOnLeaks } from '@sconce/testing';
import { InferenceProducer } from '../producers/inference-producer.ts';
import type { RequestHandler } from './request-consumer.ts';
import { ModelStatisticsWriter } from '../records/model-statistics.ts';
import { queueConfigSchema, type QueueConfig } from '../queue-config.ts';
import { closeRedis, connectRedis } from '../redis/redis-connection.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { openConsumer, openRequestConsumer, type OpenConsumer } from '../testing/open-consumer.ts';
import { RegistrationConsumer } from './registration-consumer.ts';

// Everything that holds a connection closes it in time, whatever the state of Redis.

failOnLeaks({ settleMs: 3_000 });
/** Far more than an idle close takes, and far less than the grace period, which it must not use up. */
const SOON_MS = 6_000;
const GRACE_MS = 60_000;
const TEST_MS = 40_000;

const servers: RedisServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.kill('SIGCONT');
    await server.stop();
  }
});

async function startRedis(): Promise<{ server: RedisServer; config: QueueConfig }> {
  const server = await startRedisServer({});
  servers.push(server);
  return { server, config: queueConfigSchema.parse({ redisUrl: server.url }) };
}

const onError = (): void => undefined;
const nothing: RequestHandler = async () => ({
  outputs: [],
  timing: { queueMs: 0, batchMs: 0, runMs: 0, batchRows: 1 },
});

function startConsumer(config: QueueConfig, handle = nothing): OpenConsumer {
  return openRequestConsumer(config, { concurrency: 1, handle });
}

async function timeOf<T>(work: Promise<T>): Promise<{ ms: number; value: T }> {
  const startedAtMs = performance.now();
  const value = await work;
  return { ms: performance.now() - startedAtMs, value };
}

type Closable = (config: QueueConfig) => Promise<() => Promise<unknown>>;

const closables: readonly (readonly [name: string, open: Closable])[] = [
  [
    'a consumer of requests',
    async (config) => {
      const consumer = startConsumer(config);
      await consumer.ready();
      return () => consumer.close(GRACE_MS);
    },
  ],
  [
    'a consumer of registrations',
    async (config) => {
      const handle = (): Promise<void> => Promise.resolve();
      const consumer = openConsumer(config, 'registration', new RegistrationConsumer({ handle, onFailed: handle }));
      await consumer.ready();
      return () => consumer.close(GRACE_MS);
    },
  ],
  [
    'a producer',
    async (config) => {
      const producer = new InferenceProducer(config);
      await eventually(async () => {
        expect(await producer.ping()).toBe(true);
      });
      return () => producer.close();
    },
  ],
  [
    'a statistics writer with totals to write',
    async (config) => {
      const connections = new WorkerConnections(config, onError);
      const writer = new ModelStatisticsWriter(connections);
      return async () => {
        writer.recordRun({ model: 'm', version: '1', rows: 1, runMs: 1, outputMs: 0 });
        await writer.close();
        await connections.close();
      };
    },
  ],
];

describe.each(closables)('%s closes soon', (_name, open) => {
  it.each([
    // A connection says `ready` until its socket has been read, although Redis is gone.
    ['was killed this moment', 'SIGKILL', 0],
    // Some connections have noticed it, some have not.
    ['was killed a moment ago', 'SIGKILL', 2],
    ['was killed long ago', 'SIGKILL', 400],
    ['has stalled', 'SIGSTOP', 0],
  ] as const)(
    'when Redis %s',
    async (_what, signal, afterMs) => {
      const { server, config } = await startRedis();
      const close = await open(config);
      server.kill(signal);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      expect((await timeOf(close())).ms).toBeLessThan(SOON_MS);
    },
    TEST_MS,
  );
});

it('closes a consumer that has never reached its Redis', async () => {
  const { server, config } = await startRedis();
  await server.stop();
  const consumer = startConsumer(config);
  consumer.ready().catch(onError);
  const { ms, value } = await timeOf(consumer.close(GRACE_MS));
  expect([ms < SOON_MS, value]).toEqual([true, true]);
});

it(
  'lets an active job go on within the grace period, while Redis is away and after',
  async () => {
    const { server, config } = await startRedis();
    const producer = new InferenceProducer(config);
    const gate = Promise.withResolvers<void>();
    let held = 0;
    const consumer = startConsumer(config, async (delivered) => {
      held += 1;
      await gate.promise;
      return nothing(delivered);
    });
    const request = { model: 'm', version: '1', pool: 'default', inputs: [], outputs: [] };
    const answer = producer.infer(request, { deadlineMs: Date.now() + TEST_MS });
    await eventually(() => {
      expect(held).toBe(1);
    });
    server.kill('SIGKILL');
    const closed = consumer.close(GRACE_MS);
    // Longer than an idle consumer would wait.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await server.restart();
    gate.resolve();
    expect(await closed).toBe(true);
    expect((await answer).outputs).toEqual([]);
    await producer.close();
  },
  TEST_MS,
);

it('hands back a job that outlasts the grace period: another worker gets it at once, uncounted', async () => {
  const { config } = await startRedis();
  const producer = new InferenceProducer(config);
  const gate = Promise.withResolvers<void>();
  let held = 0;
  const consumer = startConsumer(config, async (delivered) => {
    held += 1;
    await gate.promise;
    return nothing(delivered);
  });
  const request = { model: 'm', version: '1', pool: 'default', inputs: [], outputs: [] };
  const answer = producer.infer(request, { deadlineMs: Date.now() + TEST_MS });
  await eventually(() => {
    expect(held).toBe(1);
  });
  const { ms, value } = await timeOf(consumer.close(300));
  expect([ms < SOON_MS, value]).toEqual([true, false]);
  const deliveries: number[] = [];
  const other = startConsumer(config, async (delivered) => {
    deliveries.push(delivered.delivery);
    return nothing(delivered);
  });
  // If the job were not handed back, it would wait for the lock's eight seconds.
  expect((await timeOf(answer)).ms).toBeLessThan(SOON_MS);
  expect(deliveries).toEqual([1]);
  gate.resolve();
  await other.close(GRACE_MS);
  await producer.close();
});

describe('a connection closed between two attempts to reconnect', () => {
  it('ends, rejects the commands that waited for Redis, and ends its copies', async () => {
    const { server, config } = await startRedis();
    const redis = connectRedis({ url: config.redisUrl, role: 'patient', name: 'spec', onError });
    const copy = redis.duplicate();
    copy.on('error', onError);
    await Promise.all([redis.ping(), copy.ping()]);
    server.kill('SIGKILL');
    await eventually(() => {
      expect([redis.status, copy.status]).toEqual(['reconnecting', 'reconnecting']);
    });
    const ended = Promise.all([redis, copy].map((one) => new Promise((resolve) => one.once('end', resolve))));
    const waiting = [redis.ping(), copy.ping()].map((command) =>
      command.then(
        () => 'answered',
        () => 'rejected',
      ),
    );
    await closeRedis(redis);
    await ended;
    expect(await Promise.all(waiting)).toEqual(['rejected', 'rejected']);
  });
});
