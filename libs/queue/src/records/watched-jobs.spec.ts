import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failOnLeaks, testRedis } from '@sconce/testing';
import { queueConfigSchema } from '../queue-config.ts';
import { Keys } from '../redis/keys.ts';
import { JobRecords } from './job-records.ts';
import { WatchedJobs } from './watched-jobs.ts';

// Which jobs count as lost, over a real Redis.

failOnLeaks({ settleMs: 3_000 });
const { url, prefix } = testRedis();
const QUEUE = 'sconce.default.batch';
const QUEUED_SECONDS = 600;
const FAILED = { ok: false, error: { code: 'inference_failed', message: 'no' } } as const;

let redis: Redis;
let queue: Queue;
let keys: Keys;
let records: JobRecords;
let watched: WatchedJobs;
let files = 0;
beforeEach(() => {
  redis = new Redis(url);
  keys = new Keys(`${prefix}-${files++}`);
  queue = new Queue(QUEUE, { connection: redis, prefix: keys.bullmq });
  records = new JobRecords({ redis, keys, config: queueConfigSchema.parse({}) });
  watched = new WatchedJobs(redis, keys, QUEUED_SECONDS);
});
afterEach(async () => {
  await queue.close();
  await redis.quit();
});

async function create(id: string): Promise<void> {
  await records.create({ id, model: 'm', version: '1', queue: QUEUE, createdAtMs: 5, attachment: null }, 3_600);
}

/** Lets the time of the set and of the records pass. */
async function pass(seconds: number): Promise<void> {
  const members = await redis.zrange(keys.watchedJobs(), '0', '-1');
  for (const id of members) {
    await redis.zincrby(keys.watchedJobs(), -seconds, id);
    const missing = await redis.hget(keys.job(id), 'missing');
    if (missing === null) continue;
    const times = missing.split(' ').map((time) => Number(time) - seconds);
    await redis.hset(keys.job(id), 'missing', times.join(' '));
  }
}

const watchedIds = async (): Promise<string[]> => (await redis.zrange(keys.watchedJobs(), '0', '-1')).sort();

/** A job that a worker has started, and whose queue job is missing. */
async function runningWithoutQueueJob(id: string): Promise<void> {
  await create(id);
  await records.start(id);
}

describe('a running job without its queue job', () => {
  it('is lost at the second look, once nobody has announced it for some seconds', async () => {
    await runningWithoutQueueJob('one');
    expect(await watched.look()).toEqual([]);
    await pass(9);
    expect(await watched.look()).toEqual([]);
    expect(await watched.look()).toEqual([]);
    await pass(6);
    expect(await watched.look()).toEqual(['one']);
  });

  it('stays lost until it is ended, and then is watched no more', async () => {
    await runningWithoutQueueJob('one');
    await pass(9);
    await watched.look();
    for (const _ of [1, 2]) {
      await pass(6);
      expect(await watched.look()).toEqual(['one']);
    }
    await records.finish('one', FAILED);
    expect(await watchedIds()).toEqual([]);
  });

  it('is not lost as long as a worker announces it', async () => {
    await runningWithoutQueueJob('one');
    for (const _ of [1, 2, 3, 4]) {
      await watched.announce('w', ['one'], 1);
      await pass(6);
      expect(await watched.look()).toEqual([]);
    }
  });

  it('needs two looks again after it was announced in between', async () => {
    await runningWithoutQueueJob('one');
    await pass(9);
    await watched.look();
    await pass(4);
    await watched.announce('w', ['one'], 1);
    await pass(9);
    expect(await watched.look()).toEqual([]);
    await pass(6);
    expect(await watched.look()).toEqual(['one']);
  });
});

describe('a waiting job', () => {
  it('is lost when its queue job has been missing for the time of the setting', async () => {
    await create('one');
    await pass(31);
    expect(await watched.look()).toEqual([]);
    for (let waited = 0; waited < QUEUED_SECONDS - 60; waited += 31) {
      await pass(31);
      expect(await watched.look()).toEqual([]);
    }
    await pass(31);
    await pass(31);
    expect(await watched.look()).toEqual(['one']);
  });

  it('is not lost while its queue job exists, and not soon after the queue job was missing and came back', async () => {
    await create('one');
    await pass(31);
    await watched.look();
    await queue.add('infer', {}, { jobId: 'one' });
    await pass(QUEUED_SECONDS);
    expect(await watched.look()).toEqual([]);
    expect(await redis.hget(keys.job('one'), 'missing')).toBeNull();
    await queue.remove('one');
    await pass(31);
    expect(await watched.look()).toEqual([]);
    await pass(31);
    expect(await watched.look()).toEqual([]);
    expect(await watchedIds()).toEqual(['one']);
  });

  it('counts from its start when it runs', async () => {
    await create('one');
    await pass(31);
    await watched.look();
    await pass(QUEUED_SECONDS);
    await records.start('one');
    await pass(9);
    expect(await watched.look()).toEqual([]);
  });
});

describe('the set of watched jobs', () => {
  it.each<[string, (id: string) => Promise<unknown>]>([
    [
      'succeeds',
      (id) => records.finish(id, { ok: true, outputs: [], timing: { queueMs: 0, batchMs: 0, runMs: 0, batchRows: 1 } }),
    ],
    ['fails', (id) => records.finish(id, FAILED)],
    ['is cancelled', (id) => records.cancel(id)],
    ['was never queued', (id) => records.forget(id)],
  ])('leaves out a job that %s', async (_how, end) => {
    await create('one');
    await create('other');
    await end('one');
    expect(await watchedIds()).toEqual(['other']);
  });

  it('drops at a look what a worker of the release before has ended, and what has expired', async () => {
    for (const id of ['ended', 'expired', 'waits']) await create(id);
    await redis.hset(keys.job('ended'), 'status', 'succeeded');
    await redis.unlink(keys.job('expired'));
    await pass(31);
    expect(await watched.look()).toEqual([]);
    expect(await watchedIds()).toEqual(['waits']);
    expect(await redis.exists(keys.job('expired'))).toBe(0);
  });

  it('does not get a job that an API of the release before created, also when a worker starts and announces it', async () => {
    await create('old');
    await redis.unlink(keys.watchedJobs());
    await records.start('old');
    await watched.announce('w', ['old'], 1);
    expect(await watchedIds()).toEqual([]);
    expect(await records.finish('old', FAILED)).toBe(true);
  });

  it('is looked at by one worker at a time', async () => {
    const turns = await Promise.all(['a', 'b', 'c'].map((worker) => watched.announce(worker, [], 60_000)));
    expect(turns.filter(Boolean)).toHaveLength(1);
  });

  it('is looked at in pages, the longest overdue jobs first, with a bound for one turn', async () => {
    const pipeline = redis.pipeline();
    for (let index = 0; index < 1_050; index += 1) pipeline.zadd(keys.watchedJobs(), index, `gone-${index}`);
    await pipeline.exec();
    await watched.look();
    expect(await redis.zcard(keys.watchedJobs())).toBe(50);
    expect(await redis.zscore(keys.watchedJobs(), 'gone-999')).toBeNull();
  });
});
