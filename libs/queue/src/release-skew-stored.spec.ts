import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  batchSpecSchema,
  chunkJobSchema,
  chunkPartSchema,
  chunkRangeSchema,
  inferJobSchema,
  noticeSchema,
  plannerJobSchema,
  registrationJobSchema,
  replyMetaSchema,
  webhookJobSchema,
  workerReportSchema,
  type Reply,
  type WorkerReport,
} from '@sconce/contracts';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { decodeFrame } from '@sconce/tensor';
import { eventually, failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { BatchRecords } from './batches/batch-records.ts';
import { FileRecords } from './files/file-records.ts';
import { readPoolBacklog } from './load/pool-backlog.ts';
import { ReplyReader } from './messages/reply-channel.ts';
import { queueConfigSchema } from './queue-config.ts';
import { JobRecords } from './records/job-records.ts';
import { StoredBytes } from './records/stored-bytes.ts';
import { Keys } from './redis/keys.ts';
import { QueueSystem } from './testing/queue-system.ts';
import { writeEverything } from './testing/write-everything.ts';

// Commit df9e65a wrote the fixture by the steps of write-everything.ts: this release reads all of it, and writes the same.

failOnLeaks({ settleMs: 3_000 });
const testing = testRedis();
const system = new QueueSystem(testing);
afterEach(() => system.close());

interface QueueJob {
  readonly name: string;
  readonly data: unknown;
  readonly opts: unknown;
}
type Hash = Readonly<Record<string, string>>;
type Jobs = 'infer' | 'durableInfer' | 'registration' | 'planner' | 'chunk' | 'webhook';

const BEFORE = JSON.parse(
  readFileSync(new URL('../fixtures/release-0.1.0-df9e65a.json', import.meta.url), 'utf8'),
) as Readonly<Record<Jobs, QueueJob>> & {
  readonly jobRecords: Readonly<Record<'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled', Hash>> & {
    readonly result: string;
  };
  readonly batchRecords: Readonly<
    Record<'validating' | 'in_progress' | 'completed' | 'chunks' | 'parts' | 'tokens', Hash>
  > & { readonly id: string };
  readonly fileRecord: string;
  readonly replyEntry: string;
  readonly workerReports: { readonly alive: string; readonly last: string };
  readonly notices: readonly string[];
};

const JOBS = {
  infer: inferJobSchema,
  durableInfer: inferJobSchema,
  registration: registrationJobSchema,
  planner: plannerJobSchema,
  chunk: chunkJobSchema,
  webhook: webhookJobSchema,
};

let redis: Redis;
beforeAll(async () => {
  redis = new Redis(testing.url);
  await redis.ping();
});
afterAll(() => redis.quit());

/** Keys of a new installation in which nothing is stored. */
const newKeys = (): Keys => new Keys(system.config().keyPrefix);

describe('this release reads the', () => {
  it.each(Object.keys(JOBS) as Jobs[])('%s job', (kind) => {
    expect(JOBS[kind].parse(BEFORE[kind].data)).toEqual(BEFORE[kind].data);
  });

  it('notices', () => {
    const notices = BEFORE.notices.map((text) => JSON.parse(text) as unknown);
    expect(notices.map((notice) => noticeSchema.parse(notice))).toEqual(notices);
    expect(new Set(notices.map((notice) => noticeSchema.parse(notice).kind)).size).toBe(4);
  });

  it('records of jobs', async () => {
    const keys = newKeys();
    const records = new JobRecords({ redis, keys, config: queueConfigSchema.parse({ resultTtlSeconds: 60 }) });
    const { result, ...states } = BEFORE.jobRecords;
    for (const [state, hash] of Object.entries(states)) await redis.hset(keys.job(state), hash);
    await redis.set(keys.result('succeeded'), Buffer.from(result, 'base64'));
    const own = { model: 'm', version: '1', queue: 'sconce.default.batch' };
    for (const state of Object.keys(states)) expect(await records.get(state)).toMatchObject({ status: state, ...own });
    expect(await records.get('succeeded')).toMatchObject({
      attachment: { how: 'json' },
      traceId: '0af7651916cd43dd8448eb211c80319c',
      timing: { queueMs: 1.5, batchMs: 0.25, runMs: 3, batchRows: 2 },
    });
    expect(await records.get('failed')).toMatchObject({ error: { code: 'inference_failed', details: { param: 'x' } } });
    expect((await records.result('succeeded'))?.map(({ data }) => [...data])).toEqual([[5, 6]]);
    expect(await records.start('queued')).toBe(true);
    expect(await records.start('succeeded')).toBe(false);
  });

  it('records of batches and files', async () => {
    const keys = newKeys();
    const { id, chunks, parts, tokens, ...states } = BEFORE.batchRecords;
    const records = new BatchRecords({ redis, keys, ttlSeconds: 60 });
    const stored = new StoredBytes({ redis, keys, limits: queueConfigSchema.parse({}) });
    for (const [state, hash] of Object.entries(states)) {
      await redis.hset(keys.batch(state), hash);
      expect(batchSpecSchema.parse(JSON.parse(hash['spec'] ?? ''))).toEqual(JSON.parse(hash['spec'] ?? ''));
      expect(await records.get(state)).toMatchObject({ status: state, run: 1, spec: { model: 'm', pool: 'default' } });
    }
    expect(await records.get('completed')).toMatchObject({
      outputFileId: 'file-out',
      rowsDone: 1,
      rowsFailed: 1,
      errors: [{ code: 'invalid_dataset', line: 3 }],
    });
    await redis.hset(keys.batch(id, 'parts'), parts);
    for (const part of await records.parts(id)) expect(chunkPartSchema.parse(part)).toEqual(part);
    for (const range of Object.values(chunks)) chunkRangeSchema.parse(JSON.parse(range));
    // The next delivery of the chunk fences off the one of the release before.
    await redis.hset(keys.batch('in_progress', 'tokens'), tokens);
    expect(await records.beginChunk('in_progress', 1, 0)).toBe(2);
    await redis.set(keys.file('f'), BEFORE.fileRecord);
    expect(await new FileRecords({ redis, keys, stored }).get('f')).toMatchObject({ filename: 'rows.csv', bytes: 12 });
  });

  it('entries of reply streams', async () => {
    const stream = newKeys().replies('golden');
    const entry = Buffer.from(BEFORE.replyEntry, 'base64');
    for (const meta of decodeFrame(entry).meta as unknown[]) expect(replyMetaSchema.parse(meta)).toEqual(meta);
    const replies: Reply[] = [];
    const reader = new ReplyReader({ redis: new Redis(testing.url), stream, onReply: (reply) => replies.push(reply) });
    await redis.xadd(stream, '*', 'f', entry);
    reader.start();
    await eventually(() => expect(replies).toHaveLength(2));
    await reader.stop();
    expect(replies).toMatchObject([
      { id: 'r1', outcome: { ok: true, timing: { runMs: 3 } } },
      { id: 'r2', outcome: { ok: false, error: { code: 'invalid_tensor', details: { param: 'x' } } } },
    ]);
  });

  it('reports of workers', async () => {
    const keys = newKeys();
    const { alive, last } = BEFORE.workerReports;
    for (const text of [alive, last]) expect(workerReportSchema.parse(JSON.parse(text))).toEqual(JSON.parse(text));
    const fresh = { ...(JSON.parse(alive) as object), atMs: Date.now() };
    await redis.hset(keys.poolRates('p'), { w1: JSON.stringify(fresh), last });
    expect(await readPoolBacklog(redis, keys, { pool: 'p', unfinished: [] })).toMatchObject({ workers: 1 });
  });
});

/** The same structure with each value replaced by its type; texts that hold JSON are looked into. */
function shapeOf(value: unknown): unknown {
  if (typeof value === 'string' && /^[[{]/.test(value)) return shapeOf(JSON.parse(value));
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  const fields = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(fields.map(([name, field]) => [name, shapeOf(field)]));
}

it('this release writes every job, record, reply and report in the same form', { timeout: 60_000 }, async () => {
  const store = await openBlobStore(storageConfigSchema.parse({ root: temporaryFolder('skew') }));
  const written = await writeEverything(redis, await system.configFor('queue'), store);
  const { notices: _notices, ...before } = BEFORE;
  // What counts the bytes of a result, and the key of its idempotency key, are added to the record of a job; the release before passes
  // over them.
  const jobRecords = written['jobRecords'] as Record<'succeeded', Record<string, string>>;
  expect(jobRecords.succeeded['stored']).toMatch(/^\d+ {2}job:/);
  delete jobRecords.succeeded['stored'];
  const claims = Object.values(jobRecords).flatMap((record) => record['claim'] ?? []);
  expect(claims).toHaveLength(3);
  for (const record of Object.values(jobRecords)) delete record['claim'];
  // The bytes of a running batch's blobs are in its record until files have them.
  const batchRecords = written['batchRecords'] as Record<string, Record<string, string>>;
  const counted = Object.values(batchRecords).filter((record) => record['stored'] !== undefined);
  expect(counted).not.toEqual([]);
  for (const record of counted) {
    expect(record['stored']).toMatch(/^\d+ {2}batch:/);
    delete record['stored'];
  }
  // Fields that a release adds to a report are optional: the release before passes over them.
  for (const [name, text] of Object.entries(written['workerReports'] as Hash)) {
    const { threads, readsStream, ...report } = JSON.parse(text) as WorkerReport;
    expect([typeof threads, readsStream]).toEqual(['number', true]);
    (written['workerReports'] as Record<string, string>)[name] = JSON.stringify(report);
  }
  expect(shapeOf(written)).toEqual(shapeOf(before));
  // Options of jobs are values that another release acts on, not only a form.
  for (const kind of Object.keys(JOBS) as Jobs[]) {
    const optionsOf = ({ opts }: QueueJob): object => ({ ...(opts as object), jobId: '' });
    expect(optionsOf(written[kind] as QueueJob)).toEqual(optionsOf(BEFORE[kind]));
  }
});
