import { getEventListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MicroBatcher } from '@sconce/runtime';
import { runIsolated } from '@sconce/serving';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { temporaryFolder } from '@sconce/testing';
import { BatchNotices } from './batches/batch-notices.ts';
import { DATASET_LIMITS } from './batches/dataset-limits.ts';
import { DatasetThreads } from './batches/dataset-threads.ts';
import { runRows } from './batches/row-runs.ts';
import { PLUS_ONE, PlusOneRunner } from './batches/testing/plus-one-runner.ts';
import { storeColumn, tableSpec, validateTask } from './batches/testing/table-batch.ts';

// Signals of the worker live as long as its process. A wait that leaves its listener behind keeps memory until the process ends.

const folder = temporaryFolder('abort-listeners');
const storage = storageConfigSchema.parse({ root: join(folder, 'blobs') });
const threads = new DatasetThreads({ storage, s3: {}, datasetRoots: [], limits: DATASET_LIMITS }, 1);
const closedThreads = new DatasetThreads({ storage, s3: {}, datasetRoots: [], limits: DATASET_LIMITS }, 1);
const runner = new PlusOneRunner();
const batcher = new MicroBatcher(runner, { maxWaiting: 100 });
const notices = new BatchNotices();

beforeAll(async () => {
  await storeColumn(await openBlobStore(storage), 'rows', [1, 2]);
  await threads.do('validate', validateTask('batch', tableSpec('rows')));
});
afterAll(() => threads.close());

const validate = (key: string, signal: AbortSignal): Promise<unknown> =>
  threads.do('validate', validateTask('batch', tableSpec(key)), { signal });

const run = (values: readonly number[], signal: AbortSignal): Promise<unknown> => {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [values.length], data }] as const;
  const request = { inputs, rows: values.length, outputs: ['y'] };
  return runRows(batcher, request, { model: PLUS_ONE, runRows: 2, priority: 128, signal });
};

let modules = 0;
function register(code: string, signal: AbortSignal, timeoutMs = 60_000): Promise<void> {
  const path = join(folder, `${modules++}.mjs`);
  writeFileSync(path, `process.once('message', () => { ${code} });`);
  return runIsolated(
    { kind: 'optimise', modelPath: '', save: 'nothing', folder },
    {
      limits: { memoryBytes: 2 ** 31, timeoutMs },
      signal,
      onMessage: () => Promise.resolve(),
      childModule: pathToFileURL(path),
    },
  );
}

type Start = (signal: AbortSignal) => Promise<unknown>;
/** Makes a wait end. Nothing is to be done for waits that end by themselves. */
type End = (abort: () => void) => unknown;

const abortIt: End = (abort) => abort();
const wait: Start = (signal) => notices.wait('batch', 60_000, signal);

describe('a wait leaves no listener on its signal', () => {
  it.each<[what: string, start: Start, end?: End]>([
    ['for a notice that comes', wait, () => notices.notify('batch')],
    ['for a notice, until its time is over', (signal) => notices.wait('batch', 1, signal)],
    ['for a notice, until it is aborted', wait, abortIt],
    ['for a dataset thread that answers', (signal) => validate('rows', signal)],
    ['for a dataset thread, whose task is refused', (signal) => validate('none', signal)],
    ['for a dataset thread, whose task fails', (signal) => threads.do('plan', {} as never, { signal })],
    ['for a dataset thread, until it is aborted', (signal) => validate('rows', signal), abortIt],
    [
      'for a dataset thread that was closed',
      (signal) => closedThreads.do('validate', validateTask('batch', tableSpec('rows')), { signal }),
      () => closedThreads.close(),
    ],
    ['for rows that run', (signal) => run([1, 2, 3], signal)],
    ['for rows that fail', (signal) => run([1, -2], signal)],
    [
      'for rows, until it is aborted',
      (signal) => {
        runner.hold();
        return run([1], signal);
      },
      (abort) => {
        abort();
        runner.release();
      },
    ],
    [
      'for a registration that ends',
      (signal) => register(`process.send({ kind: 'optimised' }, () => process.exit(0));`, signal),
    ],
    ['for a registration that crashes', (signal) => register('process.exit(7);', signal)],
    ['for a registration, until its time is over', (signal) => register('', signal, 1)],
    ['for a registration, until it is aborted', (signal) => register('setInterval(() => {}, 1000);', signal), abortIt],
  ])('%s', async (_, start, end) => {
    const stop = new AbortController();
    const waits = Array.from({ length: 3 }, () => start(stop.signal));
    end?.(() => stop.abort());
    await Promise.allSettled(waits);
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
  });

  it('while many waits for notices follow each other', async () => {
    const { signal } = new AbortController();
    const counts = new Set<number>();
    for (let n = 0; n < 100; n++) {
      const waiting = notices.wait('batch', 60_000, signal);
      counts.add(getEventListeners(signal, 'abort').length);
      notices.notify('batch');
      await waiting;
    }
    expect([...counts]).toEqual([1]);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});
