import 'reflect-metadata';
import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { SconceError } from '@sconce/errors';
import type { BatchableModel } from '@sconce/runtime';
import { eventually, failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { deliveryOf } from './testing/batch-worker.ts';
import { batchWorkers } from './testing/batch-workers.ts';
import { PLUS_ONE } from './testing/plus-one-runner.ts';
import {
  BATCH,
  JOB,
  failureOf,
  linesOf,
  moveBack,
  numbers,
  recordOf,
  scoreUntil,
  submit,
} from './testing/planned-batch.ts';

// Threads start from their sources: on a busy machine that takes seconds.
vi.setConfig({ testTimeout: 60_000 });
failOnLeaks();

const workers = await batchWorkers({ folder: temporaryFolder('batch-end'), redis: testRedis() });

const away = (): SconceError => new SconceError('storage_unavailable', 'the store is away');

describe('a batch that does not complete', () => {
  it('keeps the results that were counted when it is cancelled', async () => {
    const worker = await workers.start();
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

  it('is failed if every row failed, and has the reasons in its error file', async () => {
    const worker = await workers.start();
    await submit(worker, ['bad', 'worse', 'bad']);
    const handled = worker.planner.handle(JOB, new AbortController().signal);
    await scoreUntil(worker, ({ status }) => status === 'failed');
    await handled;
    const record = await recordOf(worker);
    expect(record.errors).toMatchObject([
      { code: 'invalid_dataset', message: 'All 3 rows failed. The error file has the reasons.' },
    ]);
    expect(await linesOf(worker, record.errorFileId)).toHaveLength(3);
  });

  it('counts its blobs as stored bytes from the time they are written, and its files when it has ended', async () => {
    const worker = await workers.start();
    const stored = async (): Promise<number> => (await worker.work.stored.read()).all;
    const before = await stored();
    await submit(worker, numbers(400));
    const handled = worker.planner.handle(JOB, new AbortController().signal);
    await scoreUntil(worker, ({ chunksDone }) => chunksDone > 0);
    const bytesOf = async (): Promise<number> => {
      const parts = await worker.work.records.parts(BATCH);
      return parts.reduce((sum, { output: { bytes = 0, trailer = 0 } = {}, errors }) => {
        return sum + bytes + trailer + (errors?.bytes ?? 0);
      }, 0);
    };
    expect(await bytesOf()).toBeGreaterThan(0);
    expect((await stored()) - before).toBe(await bytesOf());
    await scoreUntil(worker, ({ status }) => status === 'completed');
    await handled;
    const { outputFileId = '' } = await recordOf(worker);
    const file = await worker.work.files.get(outputFileId);
    expect((await stored()) - before).toBe(file?.bytes);
    await worker.work.files.delete(outputFileId);
    expect(await stored()).toBe(before);
  });

  it('ends promptly when it is cancelled while its dataset is validated', async () => {
    const found = Promise.withResolvers<BatchableModel>();
    const worker = await workers.start();
    await submit(worker, numbers(4));
    // The task stands still, as on a store that does not answer.
    vi.spyOn(worker.threads, 'do').mockImplementation(async (_kind, _task, { signal } = {}) => {
      const { promise, reject } = Promise.withResolvers<never>();
      signal?.addEventListener('abort', () => reject(new SconceError('job_cancelled', 'ended')));
      found.resolve(PLUS_ONE);
      return promise;
    });
    const { signal } = new AbortController();
    const handled = worker.planner.handle(JOB, signal);
    await found.promise;
    await worker.work.records.enter(BATCH, 'cancelling', { from: ['validating'] });
    worker.planner.notices.notify(BATCH);
    await handled;
    expect(await recordOf(worker)).toMatchObject({ status: 'cancelled' });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('ends as expired when its window ends while its dataset is validated', async () => {
    const worker = await workers.start({ models: { find: () => Promise.reject(away()) } });
    await submit(worker, numbers(4), { expiresInMs: 400 });
    const { signal } = new AbortController();
    expect(await failureOf(worker.planner.handle(JOB, signal))).toMatchObject({ code: 'storage_unavailable' });
    expect(await recordOf(worker)).toMatchObject({ status: 'validating' });
    await eventually(async () => Date.now() > (await recordOf(worker)).expiresAtMs);
    await worker.planner.handle(JOB, signal);
    expect(await recordOf(worker)).toMatchObject({ status: 'expired' });
  });

  it('fails when the store stays full while its dataset is unpacked', async () => {
    const full = new SconceError('storage_full', 'the disk is full');
    const worker = await workers.start({ models: { find: () => Promise.reject(full) } });
    await submit(worker, numbers(4));
    const { signal } = new AbortController();
    for (let attempt = 1; attempt < 4; attempt++) {
      expect(await failureOf(worker.planner.handle(JOB, signal))).toMatchObject({ code: 'storage_full' });
    }
    await worker.planner.handle(JOB, signal);
    expect(await recordOf(worker)).toMatchObject({ status: 'failed', errors: [{ code: 'storage_full' }] });
  });

  it.each<[status: string, store: 'away' | 'full', attempts: number]>([
    ['cancelled', 'away', 1],
    ['expired', 'away', 1],
    ['cancelled', 'full', 4],
  ])(
    'ends as %s without files when the store is %s too long, and a retry has its results',
    async (status, store, attempts) => {
      const worker = await workers.start();
      await submit(worker, numbers(400));
      const stop = new AbortController();
      const first = failureOf(worker.planner.handle(JOB, stop.signal));
      await scoreUntil(worker, ({ chunksDone }) => chunksDone > 0);
      stop.abort();
      await first;
      const { rowsDone } = await recordOf(worker);
      const failing = vi
        .spyOn(worker.threads, 'do')
        .mockRejectedValue(store === 'away' ? away() : new SconceError('storage_full', 'the disk is full'));
      const epoch = (await worker.work.records.takeOver(BATCH, 1)) ?? 0;
      const [state, fields] =
        status === 'cancelled' ? (['cancelling', {}] as const) : (['finalizing', { ends_as: 'expired' }] as const);
      await worker.work.records.enter(BATCH, state, { from: ['in_progress'], epoch, fields });
      const { signal } = new AbortController();
      for (let attempt = 1; attempt <= attempts; attempt++) {
        expect(await failureOf(worker.planner.handle(JOB, signal))).toMatchObject({
          code: `storage_${store === 'away' ? 'unavailable' : 'full'}`,
        });
      }
      await moveBack(worker, 60_000);
      await worker.planner.handle(JOB, signal);
      const record = await recordOf(worker);
      expect(record).toMatchObject({ status, rowsDone, outputFileId: undefined });
      expect(record.errors[0]?.message).toMatch(/could not be made.*retry the batch/);
      // Its blobs stay, and count.
      expect((await worker.work.stored.read()).all).toBeGreaterThan(0);
      failing.mockRestore();
      expect(await worker.work.records.retry(BATCH, [], Date.now() + 60_000)).toBe(2);
      const second = worker.planner.handle({ ...JOB, run: 2 }, signal);
      await scoreUntil(worker, (own) => own.status === 'completed');
      await second;
      const { outputFileId, errors } = await recordOf(worker);
      expect(errors).toEqual([]);
      expect(await linesOf(worker, outputFileId)).toHaveLength(401);
    },
  );

  it('ends as expired when its time is over', async () => {
    const worker = await workers.start();
    await submit(worker, numbers(4), { expiresInMs: -1 });
    await worker.planner.handle(JOB, new AbortController().signal);
    expect(await recordOf(worker)).toMatchObject({ status: 'expired', rowsDone: 0 });
  });

  it.each<[maxErrorRate: number, status: string]>([
    [0.25, 'completed'],
    [0.24, 'failed'],
  ])('with a quarter of its rows bad and max_error_rate %d ends as %s', async (maxErrorRate, status) => {
    const worker = await workers.start();
    await submit(worker, [1, 2, 'bad', 4], { maxErrorRate });
    const handled = worker.planner.handle(JOB, new AbortController().signal);
    await scoreUntil(worker, (record) => record.status === status);
    await handled;
    const record = await recordOf(worker);
    expect(record.errors.map(({ code }) => code)).toEqual(status === 'failed' ? ['too_many_errors'] : []);
    expect(await linesOf(worker, record.errorFileId)).toHaveLength(1);
  });
});
