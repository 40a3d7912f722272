import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ChunkPart } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { MicroBatcher } from '@sconce/runtime';
import { openBlobStore, storageConfigSchema, type BlobStore } from '@sconce/storage';
import { eventually, temporaryFolder } from '@sconce/testing';
import type { RunPiece, RunRequest, ScoreTask } from '../dataset-protocol.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import { DatasetSources } from '../dataset-sources.ts';
import { runRows } from '../row-runs.ts';
import type { ScoringPlan } from '../scoring-plan.ts';
import { PLUS_ONE, PlusOneRunner } from '../testing/plus-one-runner.ts';
import { storeColumn, tableSpec, validateTask } from '../testing/table-batch.ts';
import { planChunks } from './plan-chunks.ts';
import { scoreChunk } from './score-chunk.ts';
import type { TaskContext } from './task-context.ts';
import { validateDataset } from './validate-dataset.ts';

// One task in this thread: the store is a real folder, the rows run in a real batcher.

const folder = temporaryFolder('score-chunk');
let stores = 0;
let store: BlobStore;
let runner: PlusOneRunner;
let abort: AbortController;
let context: TaskContext;

beforeEach(async () => {
  store = await openBlobStore(storageConfigSchema.parse({ root: join(folder, String(stores++)) }));
  runner = new PlusOneRunner();
  abort = new AbortController();
  const batcher = new MicroBatcher(runner, { maxWaiting: 1_000 });
  const { signal } = abort;
  context = {
    store,
    sources: new DatasetSources(store, { roots: [], s3: {} }),
    limits: DATASET_LIMITS,
    signal,
    run: (request) => runRows(batcher, request, { model: PLUS_ONE, runRows: 2, priority: 128, signal }),
  };
});

/** The plan of a batch over these values, and its only chunk. Blocks have four runs of two rows. */
async function chunkOf(values: readonly (number | string)[]): Promise<ScoreTask> {
  await storeColumn(store, 'rows', values);
  const reply = await validateDataset(validateTask('batch', tableSpec('rows')), context);
  if ('errors' in reply) throw new Error(JSON.stringify(reply.errors));
  const { plan, start } = reply.dataset;
  const size = { rows: 10_000, multipleOf: plan.blockRows, maxBytes: 2 ** 20 };
  const { chunks } = await planChunks({ plan, from: start, size, count: 1 }, context);
  const [range] = chunks;
  if (range === undefined) throw new Error('the dataset has no rows');
  return { batchId: 'batch', plan, index: 0, range, attempt: '1-1' };
}

const textOf = async (key: string | undefined): Promise<string | undefined> => {
  const bytes = key === undefined ? undefined : await store.get(key, { maxBytes: 2 ** 20 });
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8');
};
const resultsOf = async ({ output }: ChunkPart): Promise<string[]> =>
  ((await textOf(output?.key)) ?? '').split('\n').filter((line) => line !== '');
const errorsOf = async ({ errors }: ChunkPart): Promise<{ row: number; error: { code: string; message: string } }[]> =>
  ((await textOf(errors?.key)) ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { row: number; error: { code: string; message: string } });

async function blobsOf(prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys.sort();
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('scoreChunk', () => {
  it('writes the results of all rows in the order of the rows', async () => {
    const { part, times } = await scoreChunk(await chunkOf(numbers(21)), context);
    expect(part).toMatchObject({ index: 0, rows: 21, failed: 0, output: { trailer: 0 } });
    expect(part.errors).toBeUndefined();
    expect(await resultsOf(part)).toEqual(numbers(21).map((value) => String(value + 1)));
    expect(Object.keys(times).sort()).toEqual(['readMs', 'waitMs', 'writeMs']);
    // Groups of two rows from the first row on, and the rest.
    expect(runner.runs).toEqual(
      numbers(11).map((group) => numbers(21).filter((value) => Math.floor(value / 2) === group)),
    );
  });

  it('writes to blobs that belong to this delivery alone', async () => {
    const task = await chunkOf([1, 'bad', 3]);
    const first = await scoreChunk(task, context);
    const second = await scoreChunk({ ...task, attempt: '1-2' }, context);
    expect(await blobsOf('batches/batch/parts/')).toEqual([
      'batches/batch/parts/00000000-1-1.err',
      'batches/batch/parts/00000000-1-1.out',
      'batches/batch/parts/00000000-1-2.err',
      'batches/batch/parts/00000000-1-2.out',
    ]);
    expect(await textOf(second.part.output?.key)).toBe(await textOf(first.part.output?.key));
    expect(second.part.output?.bytes).toBe((await textOf(first.part.output?.key))?.length);
    expect(second.part.errors?.bytes).toBe((await textOf(first.part.errors?.key))?.length);
  });

  it('writes a row that cannot be read, and a row that fails, to the error file and scores all others', async () => {
    const { part } = await scoreChunk(await chunkOf([0, 'bad', 2, -3, 4, 5, 6, 7, 8, -9]), context);
    expect(part).toMatchObject({ rows: 7, failed: 3 });
    expect(await resultsOf(part)).toEqual(['1', '3', '5', '6', '7', '8', '9']);
    expect((await errorsOf(part)).map(({ row, error }) => [row, error.code])).toEqual([
      [2, 'invalid_row'],
      [4, 'inference_failed'],
      [10, 'inference_failed'],
    ]);
  });

  it('writes no file of results when every row fails', async () => {
    const { part } = await scoreChunk(await chunkOf([-1, -2, 'bad']), context);
    expect(part).toMatchObject({ rows: 0, failed: 3 });
    expect(part.output).toBeUndefined();
    expect(await blobsOf('batches/batch/parts/')).toEqual(['batches/batch/parts/00000000-1-1.err']);
  });

  it('runs no row of a chunk that is given up, and writes every row to the error file', async () => {
    const giveUp = new SconceError('worker_lost', 'twelve workers ended').toJSON();
    const { part } = await scoreChunk({ ...(await chunkOf(numbers(11))), giveUp }, context);
    expect(part).toMatchObject({ rows: 0, failed: 11 });
    expect((await errorsOf(part)).map(({ row, error }) => [row, error])).toEqual(
      numbers(11).map((row) => [row + 1, { code: 'worker_lost', message: 'twelve workers ended', param: null }]),
    );
    expect(runner.runs).toEqual([]);
    expect(await blobsOf('batches/batch/parts/')).toEqual(['batches/batch/parts/00000000-1-1.err']);
  });

  it('begins only some blocks ahead of the block that it waits for', async () => {
    const task = await chunkOf(numbers(400));
    const begun: number[] = [];
    const held = Promise.withResolvers<void>();
    const reply = scoreChunk(task, {
      ...context,
      run: async (request) => {
        begun.push(request.rows);
        await held.promise;
        return context.run(request);
      },
    });
    await eventually(() => begun.length === 2);
    // Nothing else happens until a block has run: the reader has no more to do.
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toHaveLength(2);
    held.resolve();
    expect((await reply).part.rows).toBe(400);
    expect(begun).toHaveLength(50);
  });

  it('stops when it is aborted, and leaves no results', async () => {
    const task = await chunkOf(numbers(400));
    runner.hold();
    const reply = scoreChunk(task, context);
    await eventually(() => runner.runs.length > 0);
    abort.abort(new SconceError('job_cancelled', 'the batch was cancelled'));
    runner.release();
    await expect(reply).rejects.toMatchObject({ code: 'job_cancelled' });
    expect(await blobsOf('batches/batch/parts/')).toEqual([]);
    expect(runner.runs.length).toBeLessThan(20);
  });

  it.each<[what: string, failure: SconceError]>([
    ['a thread that ended', new SconceError('thread_crashed', 'an inference thread ended')],
    ['a worker that shuts down', new SconceError('shutting_down', 'this worker is shutting down')],
  ])('fails as a whole and leaves no results if the error is not caused by its rows: %s', async (_, failure) => {
    const task = await chunkOf([...numbers(20), 'bad']);
    let runs = 0;
    const run = (request: RunRequest): Promise<readonly RunPiece[]> =>
      ++runs === 3 ? Promise.reject(failure) : context.run(request);
    await expect(scoreChunk(task, { ...context, run })).rejects.toMatchObject({ code: failure.code });
    expect(await blobsOf('batches/batch/parts/')).toEqual([]);
  });

  it('refuses a run that answers another number of rows than it was given', async () => {
    const task = await chunkOf(numbers(4));
    const run = (): Promise<readonly RunPiece[]> => Promise.resolve([{ rows: 3, outputs: [] }]);
    await expect(scoreChunk(task, { ...context, run })).rejects.toThrow('A run of 4 rows was answered with 3 rows');
  });

  it('refuses a dataset that has changed since it was validated', async () => {
    const task = await chunkOf(numbers(4));
    await storeColumn(store, 'rows', numbers(5));
    await expect(scoreChunk(task, context)).rejects.toMatchObject({ code: 'invalid_dataset' });
  });

  it('answers request lines by their custom_id, and isolates lines that are not requests', async () => {
    const line = (id: string, data: number[]): string =>
      JSON.stringify({
        custom_id: id,
        method: 'POST',
        url: '/v2/models/plus-one/infer',
        body: { inputs: [{ name: 'x', datatype: 'FP32', shape: [data.length], data }] },
      });
    const lines = [line('a', [1, 2, 3]), JSON.stringify({ custom_id: 'b' }), line('c', [-1]), line('d', [7]), ''];
    await store.put('lines', Buffer.from(lines.join('\n')), { maxBytes: 2 ** 20 });
    const spec = tableSpec('lines', { kind: 'requests', format: 'jsonl', endpoint: '/v2/models/plus-one/infer' });
    const reply = await validateDataset(validateTask('batch', spec), context);
    if ('errors' in reply) throw new Error(JSON.stringify(reply.errors));
    const plan: ScoringPlan = reply.dataset.plan;
    const size = { rows: 100, multipleOf: plan.blockRows, maxBytes: 2 ** 20 };
    const { chunks } = await planChunks({ plan, from: reply.dataset.start, size, count: 1 }, context);
    const range = chunks[0]!;
    const { part } = await scoreChunk({ batchId: 'batch', plan, index: 0, range, attempt: '1-1' }, context);
    expect(part).toMatchObject({ rows: 2, failed: 2 });
    const answers = (await resultsOf(part)).map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(answers).toMatchObject([
      { custom_id: 'a', response: { status_code: 200, body: { outputs: [{ name: 'y', data: [2, 3, 4] }] } } },
      { custom_id: 'd', response: { status_code: 200, body: { outputs: [{ name: 'y', data: [8] }] } } },
    ]);
    expect(await errorsOf(part)).toMatchObject([{ custom_id: 'b' }, { custom_id: 'c' }]);
  });
});
