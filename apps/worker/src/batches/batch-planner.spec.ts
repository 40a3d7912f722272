import 'reflect-metadata';
import { getEventListeners } from 'node:events';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BatchSpec } from '@sconce/contracts';
import { queueConfigSchema, type BatchRecord } from '@sconce/queue';
import type { BatchableModel } from '@sconce/runtime';
import { storageConfigSchema } from '@sconce/storage';
import { startTelemetry, telemetryConfigFromEnv } from '@sconce/telemetry';
import { eventually, failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { BatchWorker, deliveryOf, type BatchWorkerOptions } from './testing/batch-worker.ts';
import { PLUS_ONE } from './testing/plus-one-runner.ts';
import { StartedThreads } from './testing/started-threads.ts';
import { storeColumn, tableSpec } from './testing/table-batch.ts';

// Threads start from their sources: on a busy machine that takes seconds.
vi.setConfig({ testTimeout: 60_000 });
failOnLeaks();

const telemetry = await startTelemetry({
  service: 'worker',
  version: '0',
  instanceId: 'i',
  traces: telemetryConfigFromEnv({}).traces,
});
afterAll(() => telemetry.shutdown());
const folder = temporaryFolder('batch-planner');
const { url: redisUrl, prefix } = testRedis();
const BATCH = 'batch_1';
const JOB = { v: 1, batchId: BATCH, run: 1 } as const;
let systems = 0;
let options: BatchWorkerOptions;
const closers: (() => Promise<unknown>)[] = [];

beforeEach(() => {
  const system = systems++;
  options = {
    queue: queueConfigSchema.parse({ redisUrl, keyPrefix: `${prefix}-${system}` }),
    storage: storageConfigSchema.parse({ root: join(folder, String(system)) }),
    telemetry,
  };
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startWorker(over: Partial<BatchWorkerOptions> = {}): Promise<BatchWorker> {
  const worker = await BatchWorker.start({ ...options, ...over });
  closers.push(() => worker.close());
  return worker;
}

/** Writes a batch's record and its dataset. No planner has it yet. */
async function submit(
  worker: BatchWorker,
  values: readonly (number | string)[],
  over: Partial<BatchSpec> & { expiresInMs?: number } = {},
): Promise<void> {
  const { expiresInMs, ...spec } = over;
  await storeColumn(worker.store, 'rows', values);
  await worker.submit(BATCH, tableSpec('rows', spec), expiresInMs);
}

async function recordOf({ work }: BatchWorker): Promise<BatchRecord> {
  const record = await work.records.get(BATCH);
  if (record === undefined) throw new Error('the batch is gone');
  return record;
}

/** The indexes of the chunks that have a queue job: its id is `{batch}-{run}-{index}`. */
async function queuedChunks(): Promise<number[]> {
  const redis = new Redis(redisUrl);
  try {
    const jobs = `${options.queue.keyPrefix}:bull:sconce.default.batch:${BATCH}-1-`;
    return (await redis.keys(`${jobs}*`)).map((key) => Number(key.slice(jobs.length))).sort((a, b) => a - b);
  } finally {
    await redis.quit();
  }
}

/** Has the worker score the planned chunks until `until` is true of the record. */
async function scoreUntil(worker: BatchWorker, until: (record: BatchRecord) => boolean): Promise<void> {
  await eventually(
    async () => {
      const record = await recordOf(worker);
      if (until(record)) return true;
      for (const { index, range } of await worker.work.records.openChunks(BATCH)) {
        const { model, version } = record.spec;
        await worker.chunks.handle(deliveryOf({ v: 1, batchId: BATCH, run: record.run, index, model, version, range }));
        worker.planner.notices.notify(BATCH);
      }
      return false;
    },
    { timeoutMs: 30_000 },
  );
}

const reach = (worker: BatchWorker, is: (record: BatchRecord) => boolean): Promise<boolean> =>
  eventually(async () => is(await recordOf(worker)), { timeoutMs: 30_000 });
const planned = (record: BatchRecord): boolean => record.status === 'in_progress' && record.chunksPlanned > 0;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

/** The lines of a file of results. */
async function linesOf({ work, store }: BatchWorker, fileId: string | undefined): Promise<string[]> {
  const file = fileId === undefined ? undefined : await work.files.get(fileId);
  if (file?.content.kind !== 'parts') throw new Error('there is no such file');
  const list = await store.get(file.content.key, { maxBytes: 2 ** 20 });
  const { begin, parts } = JSON.parse(Buffer.from(list ?? []).toString()) as {
    begin: string;
    parts: { key: string; bytes: number }[];
  };
  const pieces: Uint8Array[] = [Buffer.from(begin, 'base64')];
  for (const { key } of parts) pieces.push((await store.get(key, { maxBytes: 2 ** 20 })) ?? Buffer.alloc(0));
  return Buffer.concat(pieces).toString().trim().split('\n');
}

describe('BatchPlanner', () => {
  it('leads a batch from validation to its results', async () => {
    const worker = await startWorker();
    await submit(worker, [...numbers(20), 'bad'], { webhook: { url: 'https://example.com', secret: 'whsec_AAAA' } });
    const { signal } = new AbortController();
    const handled = worker.planner.handle(JOB, signal);
    await scoreUntil(worker, ({ status }) => status === 'completed');
    await handled;
    const record = await recordOf(worker);
    expect(record).toMatchObject({ rowsPlanned: 21, rowsDone: 20, rowsFailed: 1, inputEnded: true, errors: [] });
    expect(Object.keys(record.at)).toEqual(expect.arrayContaining(['in_progress', 'finalizing', 'completed']));
    expect(await linesOf(worker, record.outputFileId)).toEqual(['y', ...numbers(20).map((value) => String(value + 1))]);
    expect(await linesOf(worker, record.errorFileId)).toHaveLength(1);
    expect(await worker.work.records.countUnfinished()).toBe(0);
    // The signal lives as long as the process.
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('queues only a window of the chunks until some have been scored', async () => {
    const worker = await startWorker();
    await submit(worker, numbers(400));
    const stop = new AbortController();
    const handled = worker.planner.handle(JOB, stop.signal);
    await reach(worker, ({ chunksPlanned }) => chunksPlanned === 2);
    // No more chunks are planned: the planner waits for a notice now.
    await eventually(() => getEventListeners(stop.signal, 'abort').length === 1);
    const [record, queued] = [await recordOf(worker), await queuedChunks()];
    expect([record.inputEnded, record.chunksPlanned, queued]).toEqual([false, 2, [0, 1]]);
    await scoreUntil(worker, ({ status }) => status === 'completed');
    await handled;
    const { rowsDone, chunksDone, chunksPlanned } = await recordOf(worker);
    expect([rowsDone, chunksDone]).toEqual([400, chunksPlanned]);
    expect(chunksPlanned).toBeGreaterThan(2);
  });

  it('refuses a dataset that does not fit the model, with the reason', async () => {
    const worker = await startWorker();
    await submit(worker, numbers(4), { table: { inputs: { x: 'no such column' } } });
    await worker.planner.handle(JOB, new AbortController().signal);
    const record = await recordOf(worker);
    expect(record).toMatchObject({ status: 'failed', errors: [{ code: 'invalid_dataset' }] });
    expect([record.outputFileId, record.chunksPlanned]).toEqual([undefined, 0]);
  });

  it('does nothing for a run that is over', async () => {
    const worker = await startWorker();
    await submit(worker, numbers(4));
    await worker.planner.handle({ ...JOB, run: 2 }, new AbortController().signal);
    await worker.planner.handle({ ...JOB, batchId: 'batch_none' }, new AbortController().signal);
    expect(await recordOf(worker)).toMatchObject({ status: 'validating', chunksPlanned: 0 });
  });
});

describe('two planners of one batch', () => {
  it('plan each chunk once: the steps of the older planner are refused', async () => {
    const found = Promise.withResolvers<BatchableModel>();
    let asked = 0;
    // The older planner has validated the batch, and stands still before it plans its first chunks.
    const slow = { find: () => (++asked === 1 ? Promise.resolve(PLUS_ONE) : found.promise) };
    const [older, newer] = [await startWorker({ models: slow }), await startWorker()];
    await submit(older, numbers(400));
    const first = older.planner.handle(JOB, new AbortController().signal);
    await eventually(() => asked === 2, { timeoutMs: 30_000 });
    const second = newer.planner.handle(JOB, new AbortController().signal);
    await reach(newer, ({ chunksPlanned }) => chunksPlanned === 2);
    found.resolve(PLUS_ONE);
    await scoreUntil(newer, ({ status }) => status === 'completed');
    await Promise.all([first, second]);
    const record = await recordOf(newer);
    expect(record).toMatchObject({ rowsPlanned: 400, rowsDone: 400, rowsFailed: 0 });
    expect(await linesOf(newer, record.outputFileId)).toEqual(['y', ...numbers(400).map((value) => String(value + 1))]);
  });

  it('end the batch once: the older planner does not change how the newer one ended it', async () => {
    const [older, newer] = [await startWorker(), await startWorker()];
    await submit(older, numbers(4));
    const stop = new AbortController();
    const first = older.planner.handle(JOB, stop.signal);
    await reach(older, planned);
    const epoch = (await older.work.records.takeOver(BATCH, 1)) ?? 0;
    await newer.work.records.enter(BATCH, 'finalizing', {
      from: ['in_progress'],
      epoch,
      fields: { ends_as: 'expired' },
    });
    // The older planner looks again, and its step has no effect.
    older.planner.notices.notify(BATCH);
    const second = newer.planner.handle(JOB, stop.signal);
    await Promise.all([first, second]);
    expect(await recordOf(newer)).toMatchObject({ status: 'expired' });
  });
});

describe('a planner that ends before its batch', () => {
  it('leaves the batch as it is when its worker stops, and the next planner goes on', async () => {
    const [stopping, next] = [await startWorker(), await startWorker()];
    await submit(stopping, numbers(400));
    const stop = new AbortController();
    const first = stopping.planner.handle(JOB, stop.signal);
    await reach(stopping, planned);
    stop.abort();
    await first;
    expect(await recordOf(next)).toMatchObject({ status: 'in_progress' });
    const second = next.planner.handle(JOB, new AbortController().signal);
    await scoreUntil(next, ({ status }) => status === 'completed');
    await second;
    expect(await recordOf(next)).toMatchObject({ rowsPlanned: 400, rowsDone: 400 });
  });

  it('leaves chunks that were planned and not queued, and the next planner queues them', async () => {
    const worker = await startWorker();
    await submit(worker, numbers(400));
    const stop = new AbortController();
    const first = worker.planner.handle(JOB, stop.signal);
    await reach(worker, ({ chunksPlanned }) => chunksPlanned === 2);
    stop.abort();
    await first;
    const { records } = worker.work;
    const epoch = (await records.takeOver(BATCH, 1)) ?? 0;
    const { cursor } = await recordOf(worker);
    const range = { firstRow: cursor!.row, rows: 8, offset: cursor!.offset, length: 16 };
    const after = { row: cursor!.row + 8, offset: cursor!.offset + 16 };
    await records.plan(BATCH, epoch, { chunks: [{ index: 2, range }], cursor: after, ended: false });
    expect(await queuedChunks()).toEqual([0, 1]);
    const again = new AbortController();
    const second = worker.planner.handle(JOB, again.signal);
    await eventually(async () => (await queuedChunks()).includes(2), { timeoutMs: 30_000 });
    again.abort();
    await second;
  });

  it('is tried again when its dataset thread ends, and fails the batch when that happens every time', async () => {
    const live = new StartedThreads();
    closers.push(() => Promise.resolve(live.close()));
    const worker = await startWorker();
    await submit(worker, numbers(4));
    live.onStart = (thread) => void thread.terminate();
    const { signal } = new AbortController();
    for (let planner = 1; planner < 8; planner++) {
      expect(await failureOf(worker.planner.handle(JOB, signal))).toMatchObject({ code: 'thread_crashed' });
      expect(await recordOf(worker)).toMatchObject({ status: 'validating' });
    }
    // The eighth one fails the batch. Nothing is assembled for a batch without a plan, so no thread is needed for that.
    await worker.planner.handle(JOB, signal);
    expect(await recordOf(worker)).toMatchObject({ status: 'failed', errors: [{ code: 'thread_crashed' }] });
    expect(live.started).toBe(8);
  });
});

describe('a batch that does not complete', () => {
  it('keeps the results that were counted when it is cancelled', async () => {
    const worker = await startWorker();
    await submit(worker, numbers(400));
    const handled = worker.planner.handle(JOB, new AbortController().signal);
    await scoreUntil(worker, ({ chunksDone }) => chunksDone > 0);
    worker.runner.hold();
    const [open] = await eventually(
      async () => {
        const chunks = await worker.work.records.openChunks(BATCH);
        return chunks.length > 0 && chunks;
      },
      { timeoutMs: 30_000 },
    );
    const ran = worker.runner.runs.length;
    const chunk = { v: 1, batchId: BATCH, run: 1, model: PLUS_ONE.name, version: '1', ...open! } as const;
    const scored = worker.chunks.handle(deliveryOf(chunk));
    await eventually(() => worker.runner.runs.length > ran, { timeoutMs: 30_000 });
    await worker.work.records.enter(BATCH, 'cancelling', { from: ['in_progress'] });
    worker.planner.notices.notify(BATCH);
    await handled;
    worker.runner.release();
    // The planner has told the worker's chunks: this one ends without an error, and uncounted.
    await scored;
    const record = await recordOf(worker);
    expect(record.status).toBe('cancelled');
    expect(await linesOf(worker, record.outputFileId)).toHaveLength(1 + record.rowsDone);
  });

  it('ends as expired when its time is over', async () => {
    const worker = await startWorker();
    await submit(worker, numbers(4), { expiresInMs: -1 });
    await worker.planner.handle(JOB, new AbortController().signal);
    expect(await recordOf(worker)).toMatchObject({ status: 'expired', rowsDone: 0 });
  });

  it.each<[maxErrorRate: number, status: string]>([
    [0.25, 'completed'],
    [0.24, 'failed'],
  ])('with a quarter of its rows bad and max_error_rate %d ends as %s', async (maxErrorRate, status) => {
    const worker = await startWorker();
    await submit(worker, [1, 2, 'bad', 4], { maxErrorRate });
    const handled = worker.planner.handle(JOB, new AbortController().signal);
    await scoreUntil(worker, (record) => record.status === status);
    await handled;
    const record = await recordOf(worker);
    expect(record.errors.map(({ code }) => code)).toEqual(status === 'failed' ? ['too_many_errors'] : []);
    expect(await linesOf(worker, record.errorFileId)).toHaveLength(1);
  });
});
