import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Outcome } from '@sconce/contracts';
import { openBlobStore, storageConfigSchema, type BlobStore } from '@sconce/storage';
import type { Tensor } from '@sconce/tensor';
import { eventually, temporaryFolder, testRedis } from '@sconce/testing';
import { FileRecords, type FileRecord } from '../files/file-records.ts';
import { queueConfigSchema } from '../queue-config.ts';
import { Keys } from '../redis/keys.ts';
import { JobRecords } from './job-records.ts';
import { StoredBytes } from './stored-bytes.ts';

// Where the results of jobs are, and the ledger of stored bytes, over a real Redis and a folder.

const KIB = 1024;
const { url, prefix } = testRedis();
const redis = new Redis(url);
afterAll(() => redis.quit());

let store: BlobStore;
beforeAll(async () => {
  store = await openBlobStore(storageConfigSchema.parse({ root: temporaryFolder('results') }));
});

let installations = 0;
/** An installation of its own. Owners may store 300 KiB, and all owners together 500 KiB. */
function install(over: { resultTtlSeconds?: number; withStore?: boolean } = {}) {
  const { withStore = true, resultTtlSeconds = 60 } = over;
  const limits = { maxStoredBytes: 500 * KIB, maxStoredBytesPerOwner: 300 * KIB };
  const config = queueConfigSchema.parse({ ...limits, resultTtlSeconds });
  const keys = new Keys(`${prefix}-${installations++}`);
  const stored = new StoredBytes({ redis, keys, limits: config });
  const files = new FileRecords({ redis, keys, stored });
  const records = new JobRecords({ redis, keys, config, store: withStore ? store : undefined });
  return { keys, stored, files, records, config };
}
type Installation = ReturnType<typeof install>;

const result = (bytes: number): Outcome & { ok: true } => ({
  ok: true,
  outputs: [{ name: 'y', datatype: 'UINT8', shape: [bytes], data: new Uint8Array(bytes).fill(7) }],
  timing: { queueMs: 1, batchMs: 2, runMs: 3, batchRows: 4 },
});

async function newJob({ records }: Installation, owner?: string): Promise<string> {
  const id = randomUUID();
  await records.create({ id, model: 'm', version: '1', queue: 'q', createdAtMs: 5, attachment: null, owner }, 60);
  return id;
}
async function finished(at: Installation, bytes: number, owner?: string): Promise<string> {
  const id = await newJob(at, owner);
  expect(await at.records.finish(id, result(bytes))).toBe(true);
  return id;
}
async function blobsOf(id: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(`results/${id}/`)) keys.push(key);
  return keys;
}
const sizeOf = async ({ records }: Installation, id: string): Promise<number | undefined> =>
  (await records.result(id))?.[0]?.data.byteLength;

let at: Installation;
beforeEach(() => {
  at = install();
});

describe('a result', () => {
  it('is in Redis up to 64 KiB, and in the blob store above', async () => {
    const small = await finished(at, 60 * KIB);
    const large = await finished(at, 70 * KIB);
    expect([await redis.exists(at.keys.result(small)), await blobsOf(small)]).toEqual([1, []]);
    expect([await redis.exists(at.keys.result(large)), await blobsOf(large)]).toMatchObject([0, { length: 1 }]);
    expect([await sizeOf(at, small), await sizeOf(at, large)]).toEqual([60 * KIB, 70 * KIB]);
    const { data, ...spec } = (await at.records.result(large))?.[0] ?? { data: [] };
    const [{ data: expected, ...expectedSpec }] = result(70 * KIB).outputs as [Tensor];
    expect([spec, Buffer.from(data).equals(expected)]).toEqual([expectedSpec, true]);
  });

  it('stays in Redis when the job’s submitter reads no blobs: an API of release 0.1, or a service without the store', async () => {
    const older = install({ withStore: false });
    const id = await newJob(older);
    const records = new JobRecords({ redis, keys: older.keys, config: older.config, store });
    expect(await records.finish(id, result(70 * KIB))).toBe(true);
    expect([await redis.exists(older.keys.result(id)), await blobsOf(id)]).toEqual([1, []]);
    expect(await sizeOf(older, id)).toBe(70 * KIB);
  });

  it('of a job that has ended already is not kept', async () => {
    const id = await newJob(at);
    await at.records.cancel(id);
    expect(await at.records.finish(id, result(70 * KIB))).toBe(false);
    expect([await blobsOf(id), await at.stored.read()]).toEqual([[], { own: 0, all: 0 }]);
    expect(await at.files.dueRemovals(10)).toEqual([]);
  });

  it('leaves one blob when several workers finish one job', async () => {
    const id = await newJob(at);
    const ended = await Promise.all([1, 2, 3].map((n) => at.records.finish(id, result((69 + n) * KIB))));
    expect(ended.filter(Boolean)).toHaveLength(1);
    expect(await blobsOf(id)).toHaveLength(1);
    expect(await sizeOf(at, id)).toBeGreaterThan(69 * KIB);
  });

  it('is removed by workers later when its worker died before it ended the job', async () => {
    const id = await newJob(at);
    await redis.hset(at.keys.job(id), 'status', 'cancelled');
    const broken = {
      ...store,
      put: store.put.bind(store),
      delete: () => Promise.reject(new Error('away')),
    } as BlobStore;
    const records = new JobRecords({ redis, keys: at.keys, config: at.config, store: broken });
    expect(await records.finish(id, result(70 * KIB))).toBe(false);
    const [member = '', dueAtMs] = await redis.zrange(at.keys.removals(), '0', '-1', 'WITHSCORES');
    expect([JSON.parse(member)]).toEqual((await blobsOf(id)).map((key) => ({ kind: 'blob', key })));
    expect(Number(dueAtMs)).toBeGreaterThan(Date.now() + 3_500_000);
  });
});

describe('the removal of a job', () => {
  it.each([
    ['in Redis', 10 * KIB],
    ['in the blob store', 100 * KIB],
  ])('frees the bytes of a result %s', async (_, bytes) => {
    const id = await finished(at, bytes, 'a');
    const { own, all } = await at.stored.read('a');
    expect([own >= bytes, all]).toEqual([true, own]);
    await at.records.remove(id);
    expect(await at.stored.read('a')).toEqual({ own: 0, all: 0 });
    expect([await at.records.get(id), await at.records.result(id), await blobsOf(id)]).toEqual([
      undefined,
      undefined,
      [],
    ]);
    expect(await redis.keys(`${at.keys.prefix}:sconce:*`)).toEqual([]);
  });

  it('leaves a job that has not ended', async () => {
    const id = await newJob(at);
    await at.records.remove(id);
    expect((await at.records.get(id))?.status).toBe('queued');
  });
});

describe('the ledger', () => {
  it('is settled when results and files have expired, and their blobs are due', async () => {
    const brief = install({ resultTtlSeconds: 1 });
    const id = await finished(brief, 100 * KIB, 'a');
    await brief.files.create(fileOf('brief', 10 * KIB, { owner: 'b', expiresAtMs: Date.now() + 1_000 }));
    expect((await brief.stored.read('a')).own).toBeGreaterThan(100 * KIB);
    await eventually(async () => {
      await brief.stored.settle();
      expect(await brief.stored.read('a')).toEqual({ own: 0, all: 0 });
    });
    const blob = { kind: 'blob', key: (await blobsOf(id))[0] };
    await eventually(async () => expect(await brief.files.dueRemovals(10)).toContainEqual(blob));
  });

  it('counts files until they are deleted or forgotten', async () => {
    await at.files.create(fileOf('one', 10 * KIB, { owner: 'a' }));
    await at.files.create(fileOf('two', 20 * KIB, {}));
    await at.stored.settle();
    expect(await at.stored.read('a')).toEqual({ own: 10 * KIB, all: 30 * KIB });
    await at.files.delete('one');
    await at.files.delete('one');
    await at.files.forget('two');
    expect(await at.stored.read('a')).toEqual({ own: 0, all: 0 });
    expect(await redis.exists(at.keys.storedItems())).toBe(0);
  });

  it('counts more bytes than Lua writes without an exponent', async () => {
    const { keys } = install();
    const limits = queueConfigSchema.parse({ maxStoredBytesPerOwner: 2 ** 50, maxStoredBytes: 2 ** 50 });
    const stored = new StoredBytes({ redis, keys, limits });
    const item = { kind: 'file', id: 'f', owner: 'a', bytes: 2 ** 49 + 1 } as const;
    await stored.charge(item);
    expect(await stored.read('a')).toEqual({ own: item.bytes, all: item.bytes });
    await stored.free(item);
    expect(await stored.read('a')).toEqual({ own: 0, all: 0 });
  });
});

describe('without room', () => {
  it('a job fails with the limit, and later jobs have room again when one was removed', async () => {
    const first = await finished(at, 200 * KIB, 'a');
    const second = await newJob(at, 'a');
    expect(await at.records.finish(second, result(150 * KIB))).toBe(true);
    expect(await at.records.get(second)).toMatchObject({
      status: 'failed',
      error: {
        code: 'quota_exceeded',
        message: expect.stringContaining('SCONCE_MAX_STORED_BYTES_PER_OWNER') as string,
        details: { budget: 'stored_bytes', limit: 300 * KIB, setting: 'SCONCE_MAX_STORED_BYTES_PER_OWNER' },
      },
    });
    expect(await blobsOf(second)).toEqual([]);
    await at.records.remove(first);
    expect((await at.records.get(await finished(at, 150 * KIB, 'a')))?.status).toBe('succeeded');
  });

  it('one owner does not use the room of another, and all of them share that of the installation', async () => {
    await finished(at, 280 * KIB, 'a');
    expect((await at.records.get(await finished(at, 150 * KIB, 'b')))?.status).toBe('succeeded');
    expect((await at.records.get(await finished(at, 100 * KIB, 'b')))?.error).toMatchObject({
      details: { setting: 'SCONCE_MAX_STORED_BYTES' },
    });
    // Callers without keys have only the room of the installation.
    const open = install();
    expect((await open.records.get(await finished(open, 400 * KIB)))?.status).toBe('succeeded');
  });

  it('uploads are refused and results of batches are kept', async () => {
    await at.files.create(fileOf('first', 250 * KIB, { owner: 'a' }));
    await expect(at.files.create(fileOf('second', 60 * KIB, { owner: 'a' }))).rejects.toMatchObject({
      code: 'quota_exceeded',
    });
    expect([await at.files.get('second'), (await at.stored.room('a')).bytes]).toEqual([undefined, 50 * KIB]);
    await at.files.create(fileOf('output', 60 * KIB, { owner: 'a', purpose: 'batch_output' }));
    await expect(at.stored.room('a')).rejects.toMatchObject({ code: 'quota_exceeded' });
    expect((await at.stored.room('b')).bytes).toBe(190 * KIB);
  });

  it('what has expired makes room', async () => {
    await at.files.create(fileOf('brief', 290 * KIB, { owner: 'a', expiresAtMs: Date.now() + 2_000 }));
    await expect(at.stored.charge({ kind: 'file', id: 'x', owner: 'a', bytes: 20 * KIB })).rejects.toThrow();
    await eventually(async () => at.stored.charge({ kind: 'file', id: 'x', owner: 'a', bytes: 20 * KIB }), {
      timeoutMs: 10_000,
    });
    expect((await at.stored.read('a')).own).toBe(20 * KIB);
  });
});

function fileOf(id: string, bytes: number, over: Partial<FileRecord>): FileRecord {
  const content = { kind: 'blob', key: `files/${id}` } as const;
  const createdAtMs = Date.now();
  return { id, filename: id, purpose: 'batch', bytes, createdAtMs, mediaType: 'text/csv', content, ...over };
}
