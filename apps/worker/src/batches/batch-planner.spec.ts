import 'reflect-metadata';
import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import type { BatchableModel } from '@sconce/runtime';
import { eventually, failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { batchWorkers } from './testing/batch-workers.ts';
import { PLUS_ONE } from './testing/plus-one-runner.ts';
import { StartedThreads } from './testing/started-threads.ts';
import {
  BATCH,
  JOB,
  failureOf,
  linesOf,
  numbers,
  planned,
  queuedChunks,
  reach,
  recordOf,
  scoreUntil,
  submit,
} from './testing/planned-batch.ts';

// Threads start from their sources: on a busy machine that takes seconds.
vi.setConfig({ testTimeout: 60_000 });
failOnLeaks();

const workers = await batchWorkers({ folder: temporaryFolder('batch-planner'), redis: testRedis() });

describe('BatchPlanner', () => {
  it('leads a batch from validation to its results', async () => {
    const worker = await workers.start();
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
    const worker = await workers.start();
    await submit(worker, numbers(400));
    const stop = new AbortController();
    const handled = worker.planner.handle(JOB, stop.signal);
    await reach(worker, ({ chunksPlanned }) => chunksPlanned === 2);
    // No more chunks are planned: the planner waits for a notice now.
    await eventually(() => getEventListeners(stop.signal, 'abort').length === 1);
    const [record, queued] = [await recordOf(worker), await queuedChunks(worker)];
    expect([record.inputEnded, record.chunksPlanned, queued]).toEqual([false, 2, [0, 1]]);
    await scoreUntil(worker, ({ status }) => status === 'completed');
    await handled;
    const { rowsDone, chunksDone, chunksPlanned } = await recordOf(worker);
    expect([rowsDone, chunksDone]).toEqual([400, chunksPlanned]);
    expect(chunksPlanned).toBeGreaterThan(2);
  });

  it('refuses a dataset that does not fit the model, with the reason', async () => {
    const worker = await workers.start();
    await submit(worker, numbers(4), { table: { inputs: { x: 'no such column' } } });
    await worker.planner.handle(JOB, new AbortController().signal);
    const record = await recordOf(worker);
    expect(record).toMatchObject({ status: 'failed', errors: [{ code: 'invalid_dataset' }] });
    expect([record.outputFileId, record.chunksPlanned]).toEqual([undefined, 0]);
  });

  it('does nothing for a run that is over', async () => {
    const worker = await workers.start();
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
    const [older, newer] = [await workers.start({ models: slow }), await workers.start()];
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
    const [older, newer] = [await workers.start(), await workers.start()];
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
    const [stopping, next] = [await workers.start(), await workers.start()];
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
    const worker = await workers.start();
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
    expect(await queuedChunks(worker)).toEqual([0, 1]);
    const again = new AbortController();
    const second = worker.planner.handle(JOB, again.signal);
    await eventually(async () => (await queuedChunks(worker)).includes(2), { timeoutMs: 30_000 });
    again.abort();
    await second;
  });

  it('queues chunks again that Redis has lost, when no chunk has been counted for a while', async () => {
    const worker = await workers.start();
    await submit(worker, numbers(400), { expiresInMs: 1e12 });
    const stop = new AbortController();
    const handled = worker.planner.handle(JOB, stop.signal);
    await reach(worker, ({ chunksPlanned }) => chunksPlanned === 2);
    await eventually(async () => expect(await queuedChunks(worker)).toEqual([0, 1]));
    const { patient: redis, keys } = worker.connections;
    const queue = `${keys.bullmq}:sconce.default.batch`;
    await redis.del(`${queue}:${BATCH}-1-1`);
    await redis.zrem(`${queue}:prioritized`, `${BATCH}-1-1`);
    // Each look at the clock seems to be a minute after the one before.
    const now = Date.now.bind(Date);
    let looks = 0;
    const later = vi.spyOn(Date, 'now').mockImplementation(() => now() + 60_000 * ++looks);
    await eventually(async () => expect(await queuedChunks(worker)).toEqual([0, 1]), { timeoutMs: 30_000 });
    later.mockRestore();
    stop.abort();
    await handled;
  });

  it('is tried again when its dataset thread ends, and fails the batch when that happens every time', async () => {
    const live = new StartedThreads();
    workers.onEnd(() => Promise.resolve(live.close()));
    const worker = await workers.start();
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
