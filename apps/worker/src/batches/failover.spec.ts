import 'reflect-metadata';
import { describe, expect, it, vi } from 'vitest';
import type { ChunkJob } from '@sconce/contracts';
import { eventually, failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { deliveryOf, type BatchWorker } from './testing/batch-worker.ts';
import { batchWorkers } from './testing/batch-workers.ts';
import {
  BATCH,
  JOB,
  failureOf,
  linesOf,
  numbers,
  queuedChunks,
  reach,
  recordOf,
  scoreUntil,
  submit,
} from './testing/planned-batch.ts';

// After a failover the new primary may lack what the old one had confirmed. Batches go on at once, with the right rows.

// Threads start from their sources: on a busy machine that takes seconds.
vi.setConfig({ testTimeout: 60_000 });
failOnLeaks();

const workers = await batchWorkers({ folder: temporaryFolder('batch-failover'), redis: testRedis() });

/** As a failover does to a connection. */
async function reconnect({ connections, work }: BatchWorker): Promise<void> {
  const before = work.connection;
  connections.patient.disconnect(true);
  await eventually(() => expect(work.connection).toBe(before + 1), { timeoutMs: 30_000 });
}

async function loseQueueJob({ connections }: BatchWorker, index: number): Promise<void> {
  const { patient: redis, keys } = connections;
  const queue = `${keys.bullmq}:sconce.default.batch`;
  const id = `${BATCH}-1-${index}`;
  await redis.multi().del(`${queue}:${id}`).zrem(`${queue}:prioritized`, id).exec();
}

/** A batch of 400 rows whose first two chunks are planned and queued. */
async function twoChunks(worker: BatchWorker): Promise<{ jobs: ChunkJob[]; stop: () => Promise<void> }> {
  await submit(worker, numbers(400));
  const ending = new AbortController();
  const handled = worker.planner.handle(JOB, ending.signal);
  await reach(worker, ({ chunksPlanned }) => chunksPlanned === 2);
  await eventually(async () => expect(await queuedChunks(worker)).toEqual([0, 1]));
  const { spec } = await recordOf(worker);
  const open = await worker.work.records.openChunks(BATCH);
  const jobs = open.map((chunk): ChunkJob => ({
    v: 1,
    batchId: BATCH,
    run: 1,
    model: spec.model,
    version: spec.version,
    ...chunk,
  }));
  return {
    jobs,
    stop: async () => {
      ending.abort();
      await handled;
    },
  };
}

describe('the planner', () => {
  it('queues chunks again that are not in the queue as soon as its connection is a new one', async () => {
    const worker = await workers.start();
    const { stop } = await twoChunks(worker);
    for (const index of [1, 0]) {
      await loseQueueJob(worker, index);
      await reconnect(worker);
      // Without a new connection it would look after half a minute.
      await eventually(async () => expect(await queuedChunks(worker)).toEqual([0, 1]), { timeoutMs: 15_000 });
    }
    await stop();
  });
});

describe('the end of a batch', () => {
  it('queues its webhook again that was lost while the batch was taken off the unfinished ones', async () => {
    const worker = await workers.start();
    await submit(worker, numbers(4), { webhook: { url: 'https://example.com', secret: 'whsec_AAAA' } });
    const { webhooks, records } = worker.work;
    const { patient: redis, keys } = worker.connections;
    const isQueued = async (): Promise<number> => redis.exists(`${keys.bullmq}:sconce.webhooks:evt_${BATCH}_1`);
    const add = webhooks.add.bind(webhooks);
    let added = 0;
    vi.spyOn(webhooks, 'add').mockImplementation(async (job) => {
      added += 1;
      // The primary that has the webhook is lost before a replica has it.
      if (added === 1) await reconnect(worker);
      else await add(job);
    });
    const handled = worker.planner.handle(JOB, new AbortController().signal);
    await scoreUntil(worker, ({ status }) => status === 'completed');
    await handled;
    expect([added, await isQueued(), await records.countUnfinished()]).toEqual([2, 1, 0]);
  });
});

describe('a chunk', () => {
  it('is queued again when the connection changed during its delivery, and runs only if its results were lost', async () => {
    const worker = await workers.start();
    const { jobs, stop } = await twoChunks(worker);
    await stop();
    const [job] = jobs;
    const confirm = await worker.chunks.handle(deliveryOf(job!));
    await loseQueueJob(worker, 0);
    await confirm();
    expect(await queuedChunks(worker)).toEqual([1]);
    await reconnect(worker);
    await confirm();
    expect(await queuedChunks(worker)).toEqual([0, 1]);

    const { rowsDone } = await recordOf(worker);
    const ran = worker.runner.runs.length;
    await worker.chunks.handle(deliveryOf(job!, 2));
    expect([worker.runner.runs.length, (await recordOf(worker)).rowsDone]).toEqual([ran, rowsDone]);
    const { patient: redis, keys } = worker.connections;
    await redis.hdel(keys.batch(BATCH, 'parts'), '0');
    await redis.hset(keys.batch(BATCH), { chunks_done: 0, rows_done: 0 });
    await worker.chunks.handle(deliveryOf(job!, 3));
    expect(worker.runner.runs.length).toBeGreaterThan(ran);
    expect(await recordOf(worker)).toMatchObject({ chunksDone: 1, rowsDone });
  });

  it('has the rows of the record, also if its queue job is of a plan that was lost', async () => {
    const worker = await workers.start();
    const { jobs, stop } = await twoChunks(worker);
    await stop();
    const [first, second] = jobs;
    // The planner that lost its step planned more rows for the first chunk.
    const range = {
      ...first!.range,
      rows: first!.range.rows + second!.range.rows,
      length: first!.range.length + second!.range.length,
    };
    await worker.chunks.handle(deliveryOf({ ...first!, range }));
    expect(await recordOf(worker)).toMatchObject({ chunksDone: 1, rowsDone: first!.range.rows });
    const handled = worker.planner.handle(JOB, new AbortController().signal);
    await scoreUntil(worker, ({ status }) => status === 'completed');
    await handled;
    const { outputFileId } = await recordOf(worker);
    expect(await linesOf(worker, outputFileId)).toEqual(['y', ...numbers(400).map((value) => String(value + 1))]);
  });

  it('that is not in the record waits until a planner records it', async () => {
    const worker = await workers.start();
    const { jobs, stop } = await twoChunks(worker);
    await stop();
    const later = deliveryOf({ ...jobs[1]!, index: 2 });
    expect(await failureOf(worker.chunks.handle(later))).toMatchObject({ code: 'redis_unavailable' });
    expect(await recordOf(worker)).toMatchObject({ chunksDone: 0 });
  });
});
