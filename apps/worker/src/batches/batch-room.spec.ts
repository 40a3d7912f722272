import 'reflect-metadata';
import { expect, it, vi } from 'vitest';
import { failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { batchWorkers } from './testing/batch-workers.ts';
import { BATCH, JOB, linesOf, numbers, recordOf, scoreUntil, submit } from './testing/planned-batch.ts';

// Threads start from their sources: on a busy machine that takes seconds.
vi.setConfig({ testTimeout: 60_000 });
failOnLeaks();

const workers = await batchWorkers({ folder: temporaryFolder('batch-room'), redis: testRedis() });

it.each([
  [
    'its owner',
    'maxStoredBytesPerOwner',
    /^Owner team may store 1500 bytes .* raise SCONCE_MAX_STORED_BYTES_PER_OWNER/,
  ],
  ['the installation', 'maxStoredBytes', /^This installation may store 1500 bytes .* raise SCONCE_MAX_STORED_BYTES/],
] as const)(
  'a batch fails when %s may not store its results, keeps what was stored, and goes on with a retry',
  async (_, limit, message) => {
    const { config } = (await workers.start()).connections;
    const worker = await workers.start({ queue: { ...config, [limit]: 1_500 } });
    await submit(worker, [...numbers(1_000)], { owner: 'team' });
    const handled = worker.planner.handle(JOB, new AbortController().signal);
    await scoreUntil(worker, ({ status }) => status === 'failed');
    await handled;
    const record = await recordOf(worker);
    const reason = expect.stringMatching(message) as string;
    expect(record).toMatchObject({ status: 'failed', errors: [{ code: 'quota_exceeded', message: reason }] });
    expect(record.rowsDone).toBeGreaterThan(0);
    expect(record.rowsDone).toBeLessThan(1_000);
    const lines = ['y', ...numbers(record.rowsDone).map((value) => String(value + 1))];
    expect(await linesOf(worker, record.outputFileId)).toEqual(lines);
    // What was not counted is not kept.
    const parts = await worker.work.records.parts(BATCH);
    const blobs: string[] = [];
    for await (const { key } of worker.store.list(`batches/${BATCH}/parts/`)) blobs.push(key);
    expect(blobs.sort()).toEqual(parts.map(({ output }) => output?.key));

    // With more room, a retry scores the rest.
    const next = await workers.start();
    await next.work.records.retry(BATCH, [], Date.now() + 3_600_000);
    const again = next.planner.handle({ ...JOB, run: 2 }, new AbortController().signal);
    await scoreUntil(next, ({ status }) => status === 'completed');
    await again;
    const { outputFileId } = await recordOf(next);
    expect(await linesOf(next, outputFileId)).toEqual(['y', ...numbers(1_000).map((value) => String(value + 1))]);
  },
);
