import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { Queue, Worker, type Job } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { startRedisServer } from '@sconce/redis-server';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import {
  EndableRedis,
  NamedWorker,
  breakLock,
  holderOf,
  oldLocks,
  readQueueStates,
  setPieces,
  uncountDelivery,
  withCopies,
} from './index.ts';

// The facts of the table in index.ts, against the versions that are installed.

failOnLeaks({ settleMs: 3_000 });
const { url, prefix } = testRedis();
const bullmq = `${prefix}:bull`;
let queues = 0;
const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function connect(): EndableRedis {
  const redis = new EndableRedis(url, { maxRetriesPerRequest: null });
  closers.push(() => redis.disconnect());
  return redis;
}

function openQueue(redis: Redis): { readonly name: string; readonly queue: Queue } {
  const name = `facts-${queues++}`;
  const queue = new Queue(name, { connection: redis, prefix: bullmq });
  closers.push(() => queue.close());
  return { name, queue };
}

it.each(['bullmq', 'ioredis'])('the table names the installed version of %s, and only that', (library) => {
  const require = createRequire(import.meta.url);
  const { version } = require(`${library}/package.json`) as { readonly version: string };
  const table = readFileSync(new URL('./index.ts', import.meta.url), 'utf8');
  const named = [...table.matchAll(new RegExp(`\\| ${library} (\\S+) `, 'g'))].map(([, text]) => text);
  expect(named.length).toBeGreaterThan(0);
  expect([...new Set(named)]).toEqual([version]);
});

describe('ioredis', () => {
  it('lets a command write its own bytes to the socket, in order with other commands', async () => {
    const redis = connect();
    await redis.ping();
    const written: unknown[] = [];
    const { stream } = redis as unknown as { readonly stream: Socket };
    const write = stream.write.bind(stream) as (data: unknown, ...rest: unknown[]) => boolean;
    stream.write = ((data: unknown, ...rest: unknown[]) => {
      written.push(data);
      return write(data, ...rest);
    }) as Socket['write'];
    const key = `${prefix}:pieces`;
    const pieces = [Buffer.from('one '), Buffer.alloc(100_000, 'x'), Buffer.from(' two')];
    const [, , stored, ttl] = await Promise.all([
      redis.set(key, 'before'),
      setPieces(redis, { key, pieces, ttlSeconds: 60 }),
      redis.getBuffer(key),
      redis.ttl(key),
    ]);
    expect(stored).toEqual(Buffer.concat(pieces));
    expect(ttl).toBe(60);
    // The pieces themselves, not copies.
    for (const piece of pieces) expect(written.includes(piece)).toBe(true);
  });

  it('does not end by itself when disconnected between two attempts to reconnect; EndableRedis does', async () => {
    const server = await startRedisServer({});
    closers.push(() => server.stop());
    const options = { maxRetriesPerRequest: null, retryStrategy: () => 60_000 };
    const plain = new Redis(server.url, options);
    const endable = new EndableRedis(server.url, options);
    const ended: string[] = [];
    for (const [name, redis] of Object.entries({ plain, endable })) {
      redis.on('error', () => undefined);
      redis.on('end', () => ended.push(name));
      await redis.ping();
    }
    server.kill('SIGKILL');
    await eventually(() => expect([plain.status, endable.status]).toEqual(['reconnecting', 'reconnecting']));
    const waiting = endable.ping().then(
      () => 'answered',
      () => 'rejected',
    );
    plain.disconnect();
    endable.disconnect();
    expect(await waiting).toBe('rejected');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(ended).toEqual(['endable']);
  });
});

describe('bullmq', () => {
  it('blocks on one copy of a shared connection, which it makes at once, and leaves that connection open', async () => {
    const redis = connect();
    const { name } = openQueue(redis);
    const make = (): Worker => new Worker(name, async () => undefined, { connection: redis, prefix: bullmq });
    const { made: worker, copies } = withCopies(redis, make);
    worker.on('error', () => undefined);
    await worker.waitUntilReady();
    expect(copies.map(({ options }) => options.connectionName)).toEqual([
      `${bullmq}:${Buffer.from(name).toString('base64')}`,
    ]);
    expect(redis.copies).toHaveLength(1);
    await worker.close();
    expect(copies[0]?.status).toBe('end');
    expect(await redis.ping()).toBe('PONG');
  });

  it('counts deliveries in `ats` of the job’s hash, and locks the job with the worker’s token', async () => {
    const redis = connect();
    const { name, queue } = openQueue(redis);
    const taken = Promise.withResolvers<Job>();
    const gate = Promise.withResolvers<void>();
    const worker = new Worker(
      name,
      async (job) => {
        taken.resolve(job);
        await gate.promise;
      },
      { connection: redis, prefix: bullmq },
    );
    closers.push(() => worker.close());
    await queue.add('job', {});
    const job = await taken.promise;
    const key = `${bullmq}:${name}:${job.id}`;
    expect([job.attemptsStarted, await redis.hget(key, 'ats')]).toEqual([1, '1']);
    expect([worker.toKey(job.id ?? ''), await redis.get(`${key}:lock`)]).toEqual([key, job.token]);
    await uncountDelivery({ id: job.id, token: 'of another worker' } as Job, worker, redis);
    expect(await redis.hget(key, 'ats')).toBe('1');
    await uncountDelivery(job, worker, redis);
    expect((await queue.getJob(job.id ?? ''))?.attemptsStarted).toBe(0);
    gate.resolve();
  });

  it('names its process in the lock of a job, and delivers a job again at once whose lock was removed', async () => {
    const redis = connect();
    const { name, queue } = openQueue(redis);
    let deliveries = 0;
    const gate = Promise.withResolvers<void>();
    const take = async (): Promise<void> => {
      deliveries += 1;
      if (deliveries === 1) await gate.promise;
    };
    const times = { lockDuration: 60_000, stalledInterval: 60_000 };
    const options = { connection: redis, prefix: bullmq, concurrency: 2, processName: 'process', ...times };
    const worker = new NamedWorker(name, take, options);
    worker.on('error', () => undefined);
    closers.push(() => worker.close());
    await queue.add('job', {}, { jobId: 'one' });
    await eventually(() => expect(deliveries).toBe(1));
    const find = (restMs: number): ReturnType<typeof oldLocks> => oldLocks(redis, bullmq, [{ queue: name, restMs }]);
    expect(await find(30_000)).toEqual([]);
    const [lock] = await find(60_000);
    expect([lock?.jobId, holderOf(lock!)]).toEqual(['one', 'process']);
    expect(await breakLock(redis, bullmq, { ...lock!, queue: name, restMs: 30_000 })).toBe(false);
    expect(await breakLock(redis, bullmq, { ...lock!, token: 'another', queue: name, restMs: 60_000 })).toBe(false);
    expect(await breakLock(redis, bullmq, { ...lock!, queue: name, restMs: 60_000 })).toBe(true);
    await worker.startStalledCheckTimer();
    await eventually(() => expect(deliveries).toBe(2));
    gate.resolve();
  });

  it('takes no job while paused once its waiting fetch was ended, and takes jobs again when resumed', async () => {
    const redis = connect();
    const { name, queue } = openQueue(redis);
    const taken: string[] = [];
    const gate = Promise.withResolvers<void>();
    const take = async ({ id = '' }: Job): Promise<void> => {
      taken.push(id);
      if (id === 'running') await gate.promise;
    };
    const { made: worker, copies } = withCopies(
      redis,
      () => new Worker(name, take, { connection: redis, prefix: bullmq, concurrency: 5 }),
    );
    closers.push(() => worker.close());
    await queue.add('job', {}, { jobId: 'running' });
    await eventually(() => expect(taken).toEqual(['running']));
    const connection = Buffer.from(name).toString('base64');
    const blocked = async (): Promise<boolean> =>
      String(await redis.client('LIST'))
        .split('\n')
        .some((line) => line.includes(`:${connection} `) && line.includes(' flags=b '));
    await eventually(async () => expect(await blocked()).toBe(true));
    await worker.pause(true);
    await Promise.all(copies.map((copy) => copy.unblock(redis)));
    await eventually(async () => expect(await blocked()).toBe(false));
    await queue.add('job', {}, { jobId: 'later' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(taken).toEqual(['running']);
    await worker.resume();
    await eventually(() => expect(taken).toEqual(['running', 'later']), { timeoutMs: 2_000 });
    gate.resolve();
  });

  it('keeps jobs by state under the keys that are read here, and takes the reported head first', async () => {
    const redis = connect();
    const { name, queue } = openQueue(redis);
    const now = Date.now();
    const add = (id: string, ageMs: number, options: object = {}): Promise<unknown> =>
      queue.add('job', {}, { timestamp: now - ageMs, jobId: id, ...options });
    await add('young-urgent', 10_000, { priority: 1 });
    await add('old-patient', 90_000, { priority: 9 });
    await add('later', 99_000, { delay: 3_600_000 });
    const read = async (): Promise<{ jobs: object; seconds: number }> => {
      const [state] = await readQueueStates(redis, bullmq, [name]);
      return { jobs: state!.jobs, seconds: Math.floor(state!.oldestAgeMs / 10_000) * 10 };
    };
    expect(await read()).toEqual({ jobs: { waiting: 0, prioritized: 2, delayed: 1, active: 0 }, seconds: 10 });
    await add('first', 60_000);
    await add('second', 5_000);
    expect(await read()).toEqual({ jobs: { waiting: 2, prioritized: 2, delayed: 1, active: 0 }, seconds: 60 });
    const counts = await queue.getJobCounts('wait', 'prioritized', 'delayed', 'active');
    expect(counts).toEqual({ wait: 2, prioritized: 2, delayed: 1, active: 0 });

    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    const worker = new Worker(
      name,
      async ({ id = '' }) => {
        order.push(id);
        if (order.length === 4) await gate.promise;
      },
      { connection: redis, prefix: bullmq },
    );
    closers.push(() => worker.close());
    await eventually(() => expect(order).toEqual(['first', 'second', 'young-urgent', 'old-patient']));
    expect(await read()).toEqual({ jobs: { waiting: 0, prioritized: 0, delayed: 1, active: 1 }, seconds: 0 });
    gate.resolve();
  });
});
