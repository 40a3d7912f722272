import 'reflect-metadata';
import { expect, it, vi } from 'vitest';
import { failOnLeaks, temporaryFolder, testRedis } from '@sconce/testing';
import { limitedChunks } from './chunk-size.ts';
import { batchWorkers } from './testing/batch-workers.ts';
import { JOB, linesOf, numbers, recordOf, scoreUntil, submit } from './testing/planned-batch.ts';

// Threads start from their sources: on a busy machine that takes seconds.
vi.setConfig({ testTimeout: 60_000 });
failOnLeaks();

const workers = await batchWorkers({ folder: temporaryFolder('batch-limit'), redis: testRedis() });

it.each([1, 5, 64, 100, 399, 400, 1_000])(
  'a batch of 400 rows with limit %i scores the first rows only',
  async (limit) => {
    const worker = await workers.start();
    await submit(worker, numbers(400), { table: { limit } });
    const handled = worker.planner.handle(JOB, new AbortController().signal);
    await scoreUntil(worker, ({ status }) => status === 'completed');
    await handled;
    const record = await recordOf(worker);
    const rows = Math.min(limit, 400);
    expect(record).toMatchObject({ rowsPlanned: rows, rowsDone: rows, rowsFailed: 0, inputEnded: true });
    expect(await linesOf(worker, record.outputFileId)).toEqual([
      'y',
      ...numbers(rows).map((value) => String(value + 1)),
    ]);
  },
);

it.each([
  [10, 4, Infinity, [10, 4]],
  [10, 4, 100, [10, 4]],
  [10, 4, 25, [10, 2]],
  [10, 4, 11, [10, 1]],
  [10, 4, 10, [10, 1]],
  [10, 4, 3, [3, 1]],
])('chunks of %i rows, %i at most, with %d rows to go', (rows, count, rest, expected) => {
  const { size, count: chunks } = limitedChunks({ rows, multipleOf: 10, maxBytes: 1 }, count, rest);
  expect([size.rows, chunks]).toEqual(expected);
});
