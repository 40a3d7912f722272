import { afterEach, describe, expect, it } from 'vitest';
import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import { eventually, failOnLeaks } from '@sconce/testing';
import { InferenceProducer } from '../producers/inference-producer.ts';
import { LaneConsumer, type RequestHandler } from './lane-consumer.ts';
import { ModelStatisticsWriter } from '../records/model-statistics.ts';
import { queueConfigSchema, type QueueConfig } from '../queue-config.ts';
import { closeRedis, connectRedis } from '../redis/redis-connection.ts';
import { RegistrationConsumer } from './registration-consumer.ts';

// Everything that holds a connection lets go of it in time, whatever has become of Redis.

failOnLeaks({ settleMs: 3_000 });
/** Far from what an idle close may take, and far below the grace period that it must not use up. */
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

function startConsumer(config: QueueConfig, handle = nothing): LaneConsumer {
  return new LaneConsumer({ config, pool: 'default', lane: 'online', concurrency: 1, handle, onError });
}

async function timeOf<T>(work: Promise<T>): Promise<{ ms: number; value: T }> {
  const startedAtMs = performance.now();
  const value = await work;
  return { ms: performance.now() - startedAtMs, value };
}

type Closable = (config: QueueConfig) => Promise<() => Promise<unknown>>;

const closables: readonly (readonly [name: string, open: Closable])[] = [
  [
    'a lane consumer',
    async (config) => {
      const consumer = startConsumer(config);
      await consumer.ready();
      return () => consumer.close(GRACE_MS);
    },
  ],
  [
    'a registration consumer',
    async (config) => {
      const handle = (): Promise<void> => Promise.resolve();
      const consumer = new RegistrationConsumer({ config, handle, onFailed: handle, onError });
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
      const writer = new ModelStatisticsWriter(config, { onError });
      return () => {
        writer.recordRun({ model: 'm', version: '1', rows: 1, runMs: 1 });
        return writer.close();
      };
    },
  ],
];

describe.each(closables)('%s closes soon', (_name, open) => {
  it.each([
    // Until its sockets have been looked at, a connection takes a Redis for present that is gone.
    ['was killed this moment', 'SIGKILL', 0],
    // Some connections have noticed, some have not: the length of a turn of the event loop decides.
    ['was killed a moment ago', 'SIGKILL', 2],
    ['was killed long ago', 'SIGKILL', 400],
    ['has stalled', 'SIGSTOP', 0],
  ] as const)(
    'where Redis %s',
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

it('closes a consumer that has never met its Redis', async () => {
  const { server, config } = await startRedis();
  await server.stop();
  const consumer = startConsumer(config);
  consumer.ready().catch(onError);
  const { ms, value } = await timeOf(consumer.close(GRACE_MS));
  expect([ms < SOON_MS, value]).toEqual([true, true]);
});

it(
  'lets a consumer that has a job under way go on, within its grace period, while Redis is away and after',
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

it('hands back what outlasts the grace period: another has it at once, as if it had never been taken', async () => {
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
  const heir = startConsumer(config, async (delivered) => {
    deliveries.push(delivered.delivery);
    return nothing(delivered);
  });
  // Without the handing back it would be after the lock's eight seconds.
  expect((await timeOf(answer)).ms).toBeLessThan(SOON_MS);
  expect(deliveries).toEqual([1]);
  gate.resolve();
  await heir.close(GRACE_MS);
  await producer.close();
});

describe('a connection closed between two attempts to reconnect', () => {
  it('ends, rejects what waited for Redis, and takes its copies along', async () => {
    const { server, config } = await startRedis();
    const redis = connectRedis(config.redisUrl, 'patient', onError);
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
