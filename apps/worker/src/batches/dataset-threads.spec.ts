import { existsSync, renameSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SconceError } from '@sconce/errors';
import { MicroBatcher } from '@sconce/runtime';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { eventually, failOnLeaks, temporaryFolder } from '@sconce/testing';
import type { DatasetTasks, RunPiece, RunRequest, ScoreTask } from './dataset-protocol.ts';
import { DATASET_LIMITS } from './dataset-limits.ts';
import { DatasetThreads, type TaskOptions } from './dataset-threads.ts';
import { runRows } from './row-runs.ts';
import { PLUS_ONE, PlusOneRunner } from './testing/plus-one-runner.ts';
import { StartedThreads } from './testing/started-threads.ts';
import { storeColumn, tableSpec, validateTask } from './testing/table-batch.ts';

// Threads start from their sources: on a busy machine that takes seconds.
vi.setConfig({ testTimeout: 60_000 });
failOnLeaks();

const ROWS = 40;
const folder = temporaryFolder('dataset-threads');
const storage = storageConfigSchema.parse({ root: folder });
const store = await openBlobStore(storage);
await storeColumn(
  store,
  'rows',
  Array.from({ length: ROWS }, (_, i) => i),
);

let live: StartedThreads;
let runner: PlusOneRunner;
let batcher: MicroBatcher;
const opened: DatasetThreads[] = [];

beforeEach(() => {
  live = new StartedThreads();
  runner = new PlusOneRunner();
  batcher = new MicroBatcher(runner, { maxWaiting: 1_000 });
});
afterEach(async () => {
  runner.release();
  for (const threads of opened.splice(0)) await threads.close();
  live.close();
});

function open(size: number): DatasetThreads {
  const threads = new DatasetThreads({ storage, s3: {}, datasetRoots: [], limits: DATASET_LIMITS }, size);
  opened.push(threads);
  return threads;
}

type Dataset = Extract<DatasetTasks['validate']['reply'], { dataset: unknown }>['dataset'];

async function validate(threads: DatasetThreads, options?: TaskOptions): Promise<Dataset> {
  const reply = await threads.do('validate', validateTask('batch', tableSpec('rows')), options);
  if ('errors' in reply) throw new Error(JSON.stringify(reply.errors));
  return reply.dataset;
}

/** A chunk of all rows. */
const chunkOf = ({ plan }: Dataset, attempt: string): ScoreTask => ({
  batchId: 'batch',
  plan,
  index: 0,
  range: { firstRow: 0, rows: ROWS, offset: 2, length: plan.dataset.sizeBytes - 2 },
  attempt,
});
const run = (request: RunRequest): Promise<readonly RunPiece[]> =>
  runRows(batcher, request, { model: PLUS_ONE, runRows: 2, priority: 128, signal: new AbortController().signal });
const score = (
  threads: DatasetThreads,
  task: ScoreTask,
  signal?: AbortSignal,
): Promise<DatasetTasks['score']['reply']> => threads.do('score', task, { run, signal });
const isRunning = (): Promise<boolean> => eventually(() => runner.runs.length > 0, { timeoutMs: 30_000 });

describe('DatasetThreads', () => {
  it('starts a thread when there is a task, and not before', async () => {
    const threads = open(2);
    expect(live.started).toBe(0);
    const { plan, start } = await validate(threads);
    expect([plan.format, plan.runRows, start.row]).toEqual(['csv', 2, 0]);
    await validate(threads);
    expect(live.started).toBe(1);
  });

  it('fails a task while the store is away, makes no empty store in its place, and does the task when it is back', async () => {
    const threads = open(1);
    renameSync(folder, `${folder}-away`);
    const failed = await validate(threads).catch((error: unknown) => error);
    const made = existsSync(folder);
    renameSync(`${folder}-away`, folder);
    expect(failed).toMatchObject({ code: 'storage_unavailable' });
    expect(made).toBe(false);
    expect(await validate(threads)).toMatchObject({ plan: { format: 'csv' } });
    expect(live.started).toBe(1);
  });

  it('starts as many threads as it may, and gives each one chunk at a time', async () => {
    const threads = open(2);
    const dataset = await validate(threads);
    runner.hold();
    const replies = ['1-1', '1-2', '1-3'].map((attempt) => score(threads, chunkOf(dataset, attempt)));
    await isRunning();
    // A thread validates while it scores a chunk.
    expect(await validate(threads)).toMatchObject({ plan: { format: 'csv' } });
    expect(live.started).toBe(2);
    runner.release();
    for (const { part } of await Promise.all(replies)) expect(part).toMatchObject({ rows: ROWS, failed: 0 });
    expect(live.started).toBe(2);
  });

  it('passes on what a task fails with, and serves the next task', async () => {
    const threads = open(1);
    const dataset = await validate(threads);
    const gone = { ...dataset.plan, dataset: { ...dataset.plan.dataset, sizeBytes: 1 } };
    const size = { rows: 10, multipleOf: 1, maxBytes: 1_000 };
    await expect(threads.do('plan', { plan: gone, from: dataset.start, size, count: 1 })).rejects.toMatchObject({
      name: 'SconceError',
      code: 'invalid_dataset',
      details: { param: 'input' },
    });
    const failing = threads.do('score', chunkOf(dataset, '1-1'), {
      run: () => Promise.reject(new SconceError('model_not_ready', 'the model is in quarantine')),
    });
    await expect(failing).rejects.toMatchObject({ code: 'model_not_ready', message: 'the model is in quarantine' });
    expect((await score(threads, chunkOf(dataset, '1-2'))).part.rows).toBe(ROWS);
    expect(live.started).toBe(1);
  });

  it('drops a task that is aborted while it waits for a thread', async () => {
    const threads = open(1);
    const dataset = await validate(threads);
    runner.hold();
    const first = score(threads, chunkOf(dataset, '5-1'));
    await isRunning();
    const stop = new AbortController();
    const second = score(threads, chunkOf(dataset, '5-2'), stop.signal);
    stop.abort(new SconceError('shutting_down', 'this worker stops'));
    await expect(second).rejects.toMatchObject({ code: 'shutting_down' });
    await expect(score(threads, chunkOf(dataset, '5-3'), stop.signal)).rejects.toMatchObject({ code: 'shutting_down' });
    runner.release();
    await first;
    expect(await store.stat('batches/batch/parts/00000000-5-2.out')).toBeUndefined();
  });

  it('ends a task that is aborted while it runs, and keeps its thread', async () => {
    const threads = open(1);
    const dataset = await validate(threads);
    runner.hold();
    const stop = new AbortController();
    const reply = score(threads, chunkOf(dataset, '2-1'), stop.signal);
    await isRunning();
    stop.abort();
    runner.release();
    await expect(reply).rejects.toMatchObject({ code: 'job_cancelled' });
    expect(await store.stat('batches/batch/parts/00000000-2-1.out')).toBeUndefined();
    expect((await score(threads, chunkOf(dataset, '2-2'))).part.rows).toBe(ROWS);
    expect(live.started).toBe(1);
  });

  it('fails the tasks of a thread that ends, and gives waiting tasks to a new one', async () => {
    const threads = open(1);
    const dataset = await validate(threads);
    runner.hold();
    const running = score(threads, chunkOf(dataset, '3-1'));
    await isRunning();
    const waiting = score(threads, chunkOf(dataset, '3-2'));
    const [failed] = await Promise.allSettled([running, live.endAll()]);
    expect(failed).toMatchObject({ status: 'rejected', reason: { code: 'thread_crashed' } });
    // The answer to a thread that is gone is lost, and nothing waits for it.
    runner.release();
    expect((await waiting).part.rows).toBe(ROWS);
    expect(live.started).toBe(2);
  });

  it('fails what runs and what waits when it is closed, and everything after that', async () => {
    const threads = open(1);
    const dataset = await validate(threads);
    runner.hold();
    const tasks = ['4-1', '4-2'].map((attempt) => score(threads, chunkOf(dataset, attempt)));
    await isRunning();
    const [closed, ...failed] = await Promise.allSettled([threads.close(), ...tasks]);
    expect(closed.status).toBe('fulfilled');
    for (const one of failed) expect(one).toMatchObject({ status: 'rejected', reason: { code: 'shutting_down' } });
    expect(live.count).toBe(0);
    await expect(validate(threads)).rejects.toMatchObject({ code: 'shutting_down' });
    expect(live.started).toBe(1);
  });
});
