import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { beforeAll, expect, it } from 'vitest';
import { atEndOfFile, eventually } from '@sconce/testing';
import { json, startStack, type Stack } from '../support/stack.ts';

// Jobs of 100 bytes whose results are large: 30 results of 16 MiB are more than Redis may hold. A folder has them, and DELETE frees them.

const MIB = 1024 ** 2;
const RESULT_BYTES = 16 * MIB;
const JOBS = 30;
const REDIS_BYTES = 128 * MIB;

let stack: Stack;
let redis: Redis;

const submit = async (bytes: number, binary = true): Promise<string> => {
  const inputs = [{ name: 'count', datatype: 'INT64', shape: [1], data: [bytes / 4] }];
  const outputs = [{ name: 'y', parameters: { binary_data: binary } }];
  const response = await stack.fetch('/v1/jobs', json({ model: 'expand', inputs, outputs }));
  expect(response.status).toBe(202);
  return ((await response.json()) as { id: string }).id;
};
const statusOf = async (id: string): Promise<string> =>
  ((await (await stack.fetch(`/v1/jobs/${id}`)).json()) as { status: string }).status;
const succeeded = (id: string): Promise<void> =>
  eventually(async () => expect(await statusOf(id)).toBe('succeeded'), { timeoutMs: 30_000 });
const usedBytes = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
const storedBytes = async (): Promise<number> => Number((await redis.hget('sconce:stored-bytes', '*')) ?? 0);
const blobs = (): string[] => {
  // The folder is removed with its last file.
  const folder = join(stack.data, 'results');
  const entries = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
};

beforeAll(async () => {
  stack = await startStack({ maxMemoryBytes: REDIS_BYTES });
  redis = new Redis(stack.redis.url);
  atEndOfFile(() => redis.disconnect());
  await stack.push('expand');
});

it(
  'keeps large results in the blob store, and frees them when their jobs are deleted',
  { timeout: 60_000 },
  async () => {
    const before = await usedBytes();
    const ids = await Promise.all(Array.from({ length: JOBS }, () => submit(RESULT_BYTES)));
    await Promise.all(ids.map(succeeded));
    expect((await usedBytes()) - before).toBeLessThan(16 * MIB);
    expect([await storedBytes(), blobs().length]).toEqual([expect.any(Number), JOBS]);
    expect(await storedBytes()).toBeGreaterThan(JOBS * RESULT_BYTES);

    const answer = await stack.fetch(`/v1/jobs/${ids[0]}/result`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    const head = Number(answer.headers.get('inference-header-content-length'));
    expect(bytes.length - head).toBe(RESULT_BYTES);
    expect([bytes.readFloatLE(head), bytes.readFloatLE(bytes.length - 4)]).toEqual([0.5, 0.5]);

    for (const id of ids) {
      const deleted = await stack.fetch(`/v1/jobs/${id}`, { method: 'DELETE' });
      expect([deleted.status, await deleted.json()]).toMatchObject([200, { id, status: 'succeeded' }]);
      expect((await stack.fetch(`/v1/jobs/${id}`)).status).toBe(404);
      expect((await stack.fetch(`/v1/jobs/${id}/result`)).status).toBe(404);
    }
    expect([await storedBytes(), blobs()]).toEqual([0, []]);
  },
);

it('answers a large result as JSON, and answers 404 when its blob is gone', { timeout: 60_000 }, async () => {
  const ids = await Promise.all([submit(128 * 1024, false), submit(RESULT_BYTES)]);
  await Promise.all(ids.map(succeeded));
  const answer = (await (await stack.fetch(`/v1/jobs/${ids[0]}/result`)).json()) as { outputs: { data: number[] }[] };
  expect(new Set(answer.outputs[0]?.data)).toEqual(new Set([0.5]));
  expect(answer.outputs[0]?.data).toHaveLength(32 * 1024);
  await rm(join(stack.data, 'results'), { recursive: true });
  const gone = await stack.fetch(`/v1/jobs/${ids[1]}/result`);
  expect([gone.status, await gone.json()]).toMatchObject([404, { error: { code: 'job_not_found' } }]);
  for (const id of ids) expect((await stack.fetch(`/v1/jobs/${id}`, { method: 'DELETE' })).status).toBe(200);
  expect(await storedBytes()).toBe(0);
});

it('frees results that have expired', { timeout: 60_000 }, async () => {
  await Promise.all([submit(RESULT_BYTES), submit(1024)].map(async (id) => succeeded(await id)));
  expect([await storedBytes(), blobs().length]).toEqual([expect.any(Number), 1]);
  expect(await storedBytes()).toBeGreaterThan(RESULT_BYTES);
  // As if a day had passed. Workers look each minute; a worker that starts looks at once.
  for (const set of ['sconce:stored', 'sconce:removals']) {
    for (const member of await redis.zrange(set, '0', '-1')) await redis.zadd(set, Date.now(), member);
  }
  await stack.startWorker();
  await eventually(async () => expect([await storedBytes(), blobs()]).toEqual([0, []]), { timeoutMs: 10_000 });
});

it('refuses new work while Redis has little memory left, and goes on with the rest', { timeout: 60_000 }, async () => {
  const id = await submit(1024);
  await succeeded(id);
  // Nine tenths of the memory.
  await redis.setrange('ballast', Math.floor(0.9 * REDIS_BYTES) - (await usedBytes()), 'x');
  const call = { inputs: [{ name: 'count', datatype: 'INT64', shape: [1], data: [4] }] };
  const routes: readonly (readonly [string, RequestInit])[] = [
    ['/v2/models/expand/infer', json(call)],
    ['/v1/jobs', json({ model: 'expand', ...call })],
    ['/v1/batches?model=expand', { method: 'POST', headers: { 'content-type': 'text/csv' }, body: 'count\n4\n' }],
    ['/v1/models/other/versions/1', { method: 'PUT', body: 'x' }],
  ];
  for (const [path, init] of routes) {
    await eventually(async () => {
      const response = await stack.fetch(path, init);
      expect([path, response.status, response.headers.get('retry-after')]).toEqual([path, 429, '5']);
    });
  }
  expect((await stack.fetch(`/v1/jobs/${id}/result`)).status).toBe(200);
  expect((await stack.fetch('/v2/health/ready')).status).toBe(200);
  expect((await stack.fetch(`/v1/jobs/${id}`, { method: 'DELETE' })).status).toBe(200);
  await redis.del('ballast');
  await eventually(async () => expect((await stack.fetch('/v2/models/expand/infer', json(call))).status).toBe(200));
});
