import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testRedis } from '@sconce/testing';
import { queueConfigSchema } from '../queue-config.ts';
import { Keys } from '../redis/keys.ts';
import { listJobs, type JobListOptions } from './job-list.ts';
import { JobRecords } from './job-records.ts';

const { url, prefix } = testRedis();
const redis = new Redis(url);
const config = queueConfigSchema.parse({ resultTtlSeconds: 60 });
const FAILED = { ok: false, error: { code: 'inference_failed', message: 'no' } } as const;
afterAll(() => redis.disconnect());

interface System {
  readonly keys: Keys;
  readonly records: JobRecords;
  /** Ids of a page and its cursor. */
  page(options?: Partial<JobListOptions>): Promise<{ ids: string[]; next: string | undefined }>;
  create(id: string, job?: { owner?: string; model?: string; version?: string; atMs?: number }): Promise<void>;
}

let systems = 0;
function newSystem(): System {
  const keys = new Keys(`${prefix}-list-${systems++}`);
  const records = new JobRecords({ redis, keys, config });
  let clock = Date.now();
  return {
    keys,
    records,
    page: async (options = {}) => {
      const { jobs, next } = await listJobs({ redis, keys, records }, { limit: 100, ...options });
      return { ids: jobs.map(({ id }) => id), next };
    },
    create: async (id, { owner, model = 'm', version = '1', atMs = (clock += 10) } = {}) =>
      records.create({ id, model, version, queue: 'q', createdAtMs: atMs, attachment: null, owner }, 60),
  };
}

/** Every job in the order of the pages. */
async function all(system: System, options: Partial<JobListOptions>): Promise<string[]> {
  const found: string[] = [];
  for (let after: string | undefined, pages = 0; pages < 50; pages += 1) {
    const { ids, next } = await system.page({ ...options, after });
    found.push(...ids);
    if (next === undefined) return found;
    after = next;
  }
  throw new Error('The pages do not end.');
}

describe('a list of jobs', () => {
  const system = newSystem();
  const { records, create, page } = system;
  const base = Date.now() - 1_000_000;
  beforeAll(async () => {
    await create('a', { owner: 'alice', atMs: base });
    await create('b', { owner: 'bob', model: 'other', atMs: base + 1_000 });
    await create('c', { owner: 'alice', version: '2', atMs: base + 2_000 });
    await create('d', { owner: 'alice', atMs: base + 3_000 });
    await records.start('c');
    await records.finish('d', FAILED);
  });

  it.each<[string, Partial<JobListOptions>, string]>([
    ['nothing: all, newest first', {}, 'dcba'],
    ['an owner', { ofOwner: 'alice' }, 'dca'],
    ['an owner without jobs', { ofOwner: 'carol' }, ''],
    ['a model', { model: 'm' }, 'dca'],
    ['a model and a version', { model: 'm', version: '2' }, 'c'],
    ['queued', { status: 'queued' }, 'ba'],
    ['running', { status: 'running' }, 'c'],
    ['failed', { status: 'failed' }, 'd'],
    ['succeeded', { status: 'succeeded' }, ''],
    ['a time from which on', { fromMs: base + 1_000 }, 'dcb'],
    ['a time before which', { beforeMs: base + 2_000 }, 'ba'],
    ['both times', { fromMs: base + 1_000, beforeMs: base + 3_000 }, 'cb'],
    ['all at once', { ofOwner: 'alice', status: 'queued', model: 'm', version: '1', fromMs: base }, 'a'],
  ])('asked for %s', async (_, options, expected) => {
    expect((await page(options)).ids.join('')).toBe(expected);
    for (const limit of [1, 2, 3]) expect((await all(system, { ...options, limit })).join('')).toBe(expected);
  });

  it('says where the next page begins, and that there is none', async () => {
    expect(await page({ limit: 2 })).toEqual({ ids: ['d', 'c'], next: 'c' });
    expect(await page({ limit: 2, after: 'c' })).toEqual({ ids: ['b', 'a'], next: undefined });
    expect(await page({ limit: 4 })).toMatchObject({ next: undefined });
  });

  it.each([
    ['unknown', {}],
    ['of another owner', { ofOwner: 'bob' }],
  ])('refuses a place that is %s', async (_, options) => {
    const after = _ === 'unknown' ? 'nothing' : 'a';
    await expect(page({ ...options, after })).rejects.toMatchObject({
      code: 'job_not_found',
      details: { param: 'after' },
    });
  });
});

it('does not list jobs that were removed, forgotten or have expired, and forgets them', async () => {
  const { keys, records, create, page } = newSystem();
  for (const id of ['removed', 'forgotten', 'expired', 'stays']) await create(id, { owner: 'alice' });
  await records.finish('removed', FAILED);
  await records.remove('removed');
  await records.forget('forgotten');
  await redis.del(keys.job('expired'));
  expect((await page()).ids).toEqual(['stays']);
  expect((await page({ ofOwner: 'alice' })).ids).toEqual(['stays']);
  expect(await redis.zrange(keys.jobs(), '0', '-1')).toEqual(['stays']);
  expect(await redis.zrange(keys.jobsOf('alice'), '0', '-1')).toEqual(['stays']);
});

it('looks at a bounded number of jobs for one page, and every job is on some page', async () => {
  const system = newSystem();
  const { keys, create } = system;
  for (let at = 0; at < 2_500; at += 1) await create(`job-${at}`, { model: at < 3 ? 'rare' : 'm' });
  expect(await system.page({ model: 'rare' })).toEqual({ ids: [], next: 'job-500' });
  expect(await all(system, { model: 'rare' })).toEqual(['job-2', 'job-1', 'job-0']);
  await redis.del(...Array.from({ length: 2_497 }, (_, at) => keys.job(`job-${at + 3}`)));
  expect(await all(system, { limit: 1 })).toEqual(['job-2', 'job-1', 'job-0']);
});

it('keeps a job in the list as long as its record can be there, and no longer', async () => {
  const { keys, create, page } = newSystem();
  const now = Date.now();
  await create('old', { owner: 'alice', atMs: now - 121_500 });
  await create('kept', { owner: 'alice', atMs: now - 119_000 });
  await create('new', { owner: 'alice', atMs: now });
  expect((await page()).ids).toEqual(['new', 'kept']);
  expect((await page({ ofOwner: 'alice' })).ids).toEqual(['new', 'kept']);
  for (const set of [keys.jobs(), keys.jobsOf('alice')]) expect(await redis.pttl(set)).toBeGreaterThan(119_000);
});
