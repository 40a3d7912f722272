import 'reflect-metadata';
import { describe, expect, it, vi } from 'vitest';
import type { ChunkJob, ChunkPart } from '@sconce/contracts';
import { SconceError, type ErrorCode } from '@sconce/errors';
import type { BatchRecord } from '@sconce/queue';
import { eventually, failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { MAX_CHUNK_DELIVERIES } from './chunk.processor.ts';
import { deliveryOf, type BatchWorker, type BatchWorkerOptions } from './testing/batch-worker.ts';
import { batchWorkers } from './testing/batch-workers.ts';
import { StartedThreads } from './testing/started-threads.ts';
import { storeColumn, tableSpec, validateTask } from './testing/table-batch.ts';

// Threads start from their sources: on a busy machine that takes seconds.
vi.setConfig({ testTimeout: 60_000 });
failOnLeaks();

const workers = await batchWorkers({ folder: temporaryFolder('chunk-processor'), redis: testRedis() });

const BATCH = 'batch_1';

/** A batch in progress whose only chunk holds all rows. */
async function chunkOf(worker: BatchWorker, values: readonly (number | string)[]): Promise<ChunkJob> {
  const spec = tableSpec('rows');
  await storeColumn(worker.store, 'rows', values);
  await worker.submit(BATCH, spec);
  const { records } = worker.work;
  const epoch = (await records.takeOver(BATCH, 1)) ?? 0;
  const reply = await worker.threads.do('validate', validateTask(BATCH, spec));
  if ('errors' in reply) throw new Error(JSON.stringify(reply.errors));
  const { plan, start } = reply.dataset;
  const size = { rows: 10_000, multipleOf: plan.blockRows, maxBytes: 2 ** 20 };
  const { chunks, next } = await worker.threads.do('plan', { plan, from: start, size, count: 1 });
  const range = chunks[0]!;
  await records.enter(BATCH, 'in_progress', { from: ['validating'], epoch, fields: { plan: JSON.stringify(plan) } });
  await records.plan(BATCH, epoch, { chunks: [{ index: 0, range }], cursor: next, ended: true });
  return { v: 1, batchId: BATCH, run: 1, index: 0, model: spec.model, version: spec.version, range };
}

async function recordOf({ work }: BatchWorker): Promise<BatchRecord> {
  const record = await work.records.get(BATCH);
  if (record === undefined) throw new Error('the batch is gone');
  return record;
}
const countsOf = async (worker: BatchWorker): Promise<object> => {
  const { chunksDone, rowsDone, rowsFailed } = await recordOf(worker);
  return { chunksDone, rowsDone, rowsFailed };
};
const NOTHING_COUNTED = { chunksDone: 0, rowsDone: 0, rowsFailed: 0 };

async function partOf({ work }: BatchWorker): Promise<ChunkPart> {
  const parts = await work.records.parts(BATCH);
  expect(parts).toHaveLength(1);
  return parts[0]!;
}
const linesOf = async ({ store }: BatchWorker, blob: { readonly key: string } | undefined): Promise<string[]> => {
  const bytes = blob === undefined ? undefined : await store.get(blob.key, { maxBytes: 2 ** 20 });
  return Buffer.from(bytes ?? [])
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
};
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const runs = ({ runner }: BatchWorker): Promise<boolean> =>
  eventually(() => runner.runs.length > 0, { timeoutMs: 30_000 });
const failure = (handled: Promise<unknown>): Promise<unknown> =>
  handled.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('a delivery of a chunk', () => {
  it('is counted once, with the rows that have a result and the rows that failed', async () => {
    const worker = await workers.start();
    const job = await chunkOf(worker, [0, 'bad', 2, 3, -4, 5]);
    await worker.chunks.handle(deliveryOf(job));
    expect(await countsOf(worker)).toEqual({ chunksDone: 1, rowsDone: 4, rowsFailed: 2 });
    const part = await partOf(worker);
    expect(await linesOf(worker, part.output)).toEqual(['1', '3', '4', '6']);
    expect((await linesOf(worker, part.errors)).map((line) => (JSON.parse(line) as { row: number }).row)).toEqual([
      2, 5,
    ]);
    const ran = worker.runner.runs.length;
    await worker.chunks.handle(deliveryOf(job, 2));
    expect(worker.runner.runs).toHaveLength(ran);
    expect(await countsOf(worker)).toEqual({ chunksDone: 1, rowsDone: 4, rowsFailed: 2 });
  });

  it('does not count when a later delivery has begun', async () => {
    const [slow, fast] = [await workers.start(), await workers.start()];
    const job = await chunkOf(slow, numbers(20));
    slow.runner.hold();
    const first = slow.chunks.handle(deliveryOf(job));
    await runs(slow);
    fast.runner.hold();
    const second = fast.chunks.handle(deliveryOf(job, 2));
    await runs(fast);
    // The first delivery ends first, and comes too late all the same.
    slow.runner.release();
    await first;
    expect(await countsOf(slow)).toEqual(NOTHING_COUNTED);
    fast.runner.release();
    await second;
    expect(await countsOf(slow)).toEqual({ chunksDone: 1, rowsDone: 20, rowsFailed: 0 });
    expect((await partOf(slow)).output?.key).toBe(`batches/${BATCH}/parts/00000000-1-2.out`);
  });

  it('does not count when a later delivery was counted', async () => {
    const [slow, fast] = [await workers.start(), await workers.start()];
    const job = await chunkOf(slow, numbers(20));
    slow.runner.hold();
    const first = slow.chunks.handle(deliveryOf(job));
    await runs(slow);
    await fast.chunks.handle(deliveryOf(job, 2));
    slow.runner.release();
    await first;
    expect(await countsOf(slow)).toEqual({ chunksDone: 1, rowsDone: 20, rowsFailed: 0 });
    expect((await partOf(slow)).output?.key).toBe(`batches/${BATCH}/parts/00000000-1-2.out`);
  });

  it('of an earlier run of the batch does nothing', async () => {
    const worker = await workers.start();
    const job = await chunkOf(worker, numbers(4));
    const { records } = worker.work;
    await records.finish(BATCH, 'failed', { from: ['in_progress'], epoch: 1 });
    expect(await records.retry(BATCH, [], Date.now() + 60_000)).toBe(2);
    await worker.chunks.handle(deliveryOf(job));
    expect(worker.runner.runs).toEqual([]);
    await worker.chunks.handle(deliveryOf({ ...job, run: 2 }));
    expect(await countsOf(worker)).toMatchObject({ rowsDone: 4 });
  });
});

describe('a chunk of a batch that was cancelled', () => {
  it('is not begun', async () => {
    const worker = await workers.start();
    const job = await chunkOf(worker, numbers(4));
    await worker.work.records.enter(BATCH, 'cancelling', { from: ['in_progress'] });
    await worker.chunks.handle(deliveryOf(job));
    expect(worker.runner.runs).toEqual([]);
    expect(await countsOf(worker)).toEqual(NOTHING_COUNTED);
  });

  it('stops in the middle, and its delivery ends without an error', async () => {
    const worker = await workers.start();
    const job = await chunkOf(worker, numbers(400));
    worker.runner.hold();
    const handled = worker.chunks.handle(deliveryOf(job));
    await runs(worker);
    expect(worker.chunks.active).toBe(1);
    await worker.work.records.enter(BATCH, 'cancelling', { from: ['in_progress'] });
    worker.chunks.cancel('another batch');
    worker.chunks.cancel(BATCH);
    worker.runner.release();
    await handled;
    expect(worker.runner.runs.length).toBeLessThan(20);
    expect(await countsOf(worker)).toEqual(NOTHING_COUNTED);
    expect(worker.chunks.active).toBe(0);
  });
});

describe('a worker that ends', () => {
  it('hands a chunk back in the middle, and another worker scores all of it', async () => {
    const [ending, other] = [await workers.start(), await workers.start()];
    const job = await chunkOf(ending, numbers(400));
    ending.runner.hold();
    const handled = failure(ending.chunks.handle(deliveryOf(job)));
    await runs(ending);
    ending.chunks.handBack();
    ending.runner.release();
    expect(await handled).toMatchObject({ code: 'shutting_down' });
    expect(ending.runner.runs.length).toBeLessThan(20);
    expect(await failure(ending.chunks.handle(deliveryOf(job)))).toMatchObject({ code: 'shutting_down' });
    expect(await countsOf(other)).toEqual(NOTHING_COUNTED);
    await other.chunks.handle(deliveryOf(job));
    expect(await countsOf(other)).toEqual({ chunksDone: 1, rowsDone: 400, rowsFailed: 0 });
    expect(await linesOf(other, (await partOf(other)).output)).toEqual(numbers(400).map((value) => String(value + 1)));
  });
});

describe('a chunk that cannot be scored', () => {
  const unavailable = (code: ErrorCode): Partial<BatchWorkerOptions> => ({
    models: { find: () => Promise.reject(new SconceError(code, 'not now')) },
  });

  it.each<[delivery: number, isLast: boolean]>([
    [MAX_CHUNK_DELIVERIES, false],
    [4, true],
  ])('is delivered again for a crash, and given up with its last delivery (%d, last: %s)', async (last, isLast) => {
    const [worker, failing] = [await workers.start(), await workers.start(unavailable('thread_crashed'))];
    const job = await chunkOf(worker, numbers(3));
    for (const delivery of [1, last - 1]) {
      expect(await failure(failing.chunks.handle(deliveryOf(job, delivery)))).toMatchObject({ code: 'thread_crashed' });
      expect(await countsOf(worker)).toEqual(NOTHING_COUNTED);
    }
    await failing.chunks.handle(deliveryOf(job, last, isLast));
    await expectAllRowsFailed(worker, 'thread_crashed');
  });

  it.each<[code: ErrorCode]>([['storage_unavailable'], ['redis_unavailable'], ['queue_full']])(
    'is never given up for %s, which ends by waiting',
    async (code) => {
      const [worker, failing] = [await workers.start(), await workers.start(unavailable(code))];
      const job = await chunkOf(worker, numbers(3));
      const last = deliveryOf(job, MAX_CHUNK_DELIVERIES, true);
      expect(await failure(failing.chunks.handle(last))).toMatchObject({ code });
      expect(await countsOf(worker)).toEqual(NOTHING_COUNTED);
      await worker.chunks.handle(last);
      expect(await countsOf(worker)).toMatchObject({ rowsDone: 3, rowsFailed: 0 });
    },
  );

  it('makes its batch fail when the store stays full', async () => {
    const [worker, failing] = [await workers.start(), await workers.start(unavailable('storage_full'))];
    const job = await chunkOf(worker, numbers(3));
    expect(await failure(failing.chunks.handle(deliveryOf(job)))).toMatchObject({ code: 'storage_full' });
    await failing.chunks.handle(deliveryOf(job, 2, true));
    expect(await recordOf(worker)).toMatchObject({
      status: 'finalizing',
      endsAs: 'failed',
      errors: [{ code: 'storage_full', message: 'not now' }],
    });
  });

  it('makes its batch fail when the dataset is gone', async () => {
    const worker = await workers.start();
    const job = await chunkOf(worker, numbers(3));
    await worker.store.delete('rows');
    await worker.chunks.handle(deliveryOf(job));
    expect(await recordOf(worker)).toMatchObject({
      status: 'finalizing',
      endsAs: 'failed',
      errors: [{ code: 'invalid_dataset', message: 'The dataset does not exist, or not any more.' }],
    });
  });

  it('has its rows in the error file, unread, when its queue job has failed', async () => {
    const worker = await workers.start();
    const job = await chunkOf(worker, numbers(3));
    await worker.store.delete('rows');
    await worker.chunks.abandon(job, new SconceError('worker_lost', 'The job was given up.'));
    await expectAllRowsFailed(worker, 'worker_lost');
    // It does so once.
    await worker.chunks.abandon(job, new SconceError('worker_lost', 'The job was given up.'));
    await expectAllRowsFailed(worker, 'worker_lost');
  });

  it('is given up at once for an error that no repetition mends', async () => {
    const [worker, failing] = [await workers.start(), await workers.start(unavailable('model_not_found'))];
    await failing.chunks.handle(deliveryOf(await chunkOf(worker, numbers(3))));
    await expectAllRowsFailed(worker, 'model_not_found');
  });

  it('is given up unrun when all the workers that had it ended', async () => {
    const worker = await workers.start();
    await worker.chunks.handle(deliveryOf(await chunkOf(worker, numbers(3)), MAX_CHUNK_DELIVERIES + 1));
    expect(worker.runner.runs).toEqual([]);
    await expectAllRowsFailed(worker, 'worker_lost');
  });

  it('is delivered again when its dataset thread ends, and is then scored by a new thread', async () => {
    const live = new StartedThreads();
    const worker = await workers.start();
    const job = await chunkOf(worker, numbers(20));
    worker.runner.hold();
    const handled = failure(worker.chunks.handle(deliveryOf(job)));
    await runs(worker);
    await live.endAll();
    expect(await handled).toMatchObject({ code: 'thread_crashed' });
    worker.runner.release();
    await worker.chunks.handle(deliveryOf(job, 2));
    expect(await countsOf(worker)).toEqual({ chunksDone: 1, rowsDone: 20, rowsFailed: 0 });
    live.close();
  });

  async function expectAllRowsFailed(worker: BatchWorker, code: string): Promise<void> {
    expect(await countsOf(worker)).toEqual({ chunksDone: 1, rowsDone: 0, rowsFailed: 3 });
    const part = await partOf(worker);
    expect(part.output).toBeUndefined();
    const lines = await linesOf(worker, part.errors);
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject(
      [1, 2, 3].map((row) => ({ row, error: { code } })),
    );
  }
});
