import { readFileSync, renameSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Batch, TableRequest } from '@sconce/client';
import { oneByteMutants } from '@sconce/datasets/testing';
import { batchScorer, bytes, type BatchScorer } from '../support/batch-scorer.ts';
import { scoreMutants, wrongEnd } from '../support/mutant-batches.ts';
import { bytesOf } from '../support/rows.ts';
import { startStack, type Stack } from '../support/stack.ts';

// Whatever a dataset is like and whatever happens to the store, a batch ends: with results, with errors for its rows, or failed with a reason.

const ROWS = 40_000;
const UNREADABLE = fileURLToPath(new URL('../../libs/datasets/fixtures/unreadable.arrow', import.meta.url));

let stack: Stack;
let scorer: BatchScorer;

beforeAll(async () => {
  stack = await startStack();
  await Promise.all([stack.push('affine'), stack.push('slow')]);
  scorer = batchScorer(stack.url);
});

/** A Parquet file of rows for `affine`. Its only column `y` has lists of 4. */
async function parquetFile(): Promise<Uint8Array<ArrayBuffer>> {
  const rows = Array.from({ length: ROWS }, (_, row) => `${row},1,2,3\n`);
  const request: TableRequest = { model: 'affine', inputs: { x: '*' }, output_format: 'parquet' };
  const { id } = await scorer.score(request, `a,b,c,d\n${rows.join('')}`);
  return new Uint8Array(await bytesOf(await scorer.client.batches.output(id)));
}

/** The end of the pages of a Parquet file: the footer's length is before the last four bytes. */
function endOfPages(file: Uint8Array): number {
  return file.length - 8 - new DataView(file.buffer).getUint32(file.length - 8, true);
}

const scoreParquet = (file: Uint8Array<ArrayBuffer>): Promise<Batch> =>
  scorer.score({ model: 'affine', inputs: { x: 'y' }, output_format: 'csv' }, file, 'rows.parquet');

describe('a dataset that cannot be read', () => {
  it('puts rows of damaged pages into the error file, with the reader’s message', async () => {
    const file = await parquetFile();
    const batch = await scoreParquet(file);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: ROWS, completed: ROWS, failed: 0 } });
    // The file has a row group for each chunk of the batch that made it.
    const damaged = await scoreParquet(file.fill(0xff, endOfPages(file) / 2, endOfPages(file)));
    expect(damaged).toMatchObject({ status: 'completed', request_counts: { total: ROWS } });
    const { completed, failed } = damaged.request_counts;
    expect(completed).toBeGreaterThan(0);
    expect(failed).toBeGreaterThan(0);
    const errors = await scorer.errorsOf(damaged);
    expect(errors).toHaveLength(failed);
    for (const { row, error } of errors) {
      expect(row).toBeGreaterThan(0);
      expect(error.message).toMatch(/^The Parquet file is damaged in column "y", rows \d+ to \d+/);
    }
    expect(new Set(errors.map(({ row }) => row)).size).toBe(failed);
  });

  it('makes the batch fail with the reader’s message if no row can be read', async () => {
    const batch = await parquetFile().then((file) => scoreParquet(file.fill(0xff, 4, endOfPages(file))));
    const message = expect.stringMatching(/^The Parquet file is damaged in column "y", rows 0 to/) as string;
    expect(batch).toMatchObject({ status: 'failed', errors: { data: [{ code: 'invalid_dataset', message }] } });
  });

  it('makes the batch fail if a column has a type that cannot be read', async () => {
    const file = new Uint8Array(readFileSync(UNREADABLE));
    for (const column of ['union', 'interval', 'runs']) {
      const batch = await scorer.score({ model: 'affine', inputs: { x: column } }, file, 'rows.arrow');
      const message = expect.stringMatching(/which is not supported: leave it out/) as string;
      const errors = { data: [{ message, param: 'inputs.x' }] };
      // No row was read: there is no error file.
      expect(batch).toMatchObject({ status: 'failed', errors, request_counts: { failed: 0 } });
    }
  });
});

describe('a pattern of columns', () => {
  it('does not keep dataset threads busy, whatever it is: other batches are scored', async () => {
    const column = 'a'.repeat(2_000);
    const request: TableRequest = { model: 'affine', inputs: { x: `${'a*'.repeat(255)}b` } };
    const batches = await Promise.all(Array.from({ length: 4 }, () => scorer.score(request, `${column}\n1\n`)));
    const good = await scorer.score({ model: 'affine', inputs: { x: '*' } }, 'a,b,c,d\n1,2,3,4\n');
    expect(good.status).toBe('completed');
    for (const batch of batches) {
      const message = expect.stringMatching(/^No column matches "a\*a\*/) as string;
      expect(batch).toMatchObject({ status: 'failed', errors: { data: [{ message, param: 'inputs.x' }] } });
    }
  });
});

// `npm run fuzz:batches` scores others.
describe('one-byte mutants of datasets', () => {
  const SEED = 5;

  it(`end within 30 s, 20 of each kind (seed ${SEED})`, { timeout: 120_000 }, async () => {
    const ended = await scoreMutants(scorer.client, oneByteMutants(SEED, 20));
    expect(ended.flatMap((end) => wrongEnd(end) ?? [])).toEqual([]);
    expect(ended).toHaveLength(120);
  });
});

describe('a store that is away', () => {
  it('delays a batch, and the batch completes with every row when it is back', async () => {
    const rows = Array.from({ length: 200 }, () => '200\n').join('');
    const { id } = await scorer.client.batches.score({ model: 'slow', output_format: 'csv' }, bytes(`steps\n${rows}`), {
      filename: 'rows.csv',
    });
    await expect.poll(async () => (await scorer.client.batches.get(id)).status).toBe('in_progress');
    renameSync(stack.data, `${stack.data}-away`);
    // Longer than BullMQ's attempts of a chunk take, so that they would be used up.
    await sleep(9_000);
    renameSync(`${stack.data}-away`, stack.data);
    const batch = await scorer.client.batches.wait(id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 200, completed: 200, failed: 0 } });
  });
});
