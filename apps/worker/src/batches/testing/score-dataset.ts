import { SconceError, toSconceError } from '@sconce/errors';
import { MicroBatcher } from '@sconce/runtime';
import type { BlobStore } from '@sconce/storage';
import type { DatasetThreads } from '../dataset-threads.ts';
import { runRows } from '../row-runs.ts';
import { PLUS_ONE, PlusOneRunner } from './plus-one-runner.ts';
import { tableSpec, validateTask } from './table-batch.ts';

/** A dataset to score with the model `PLUS_ONE`. */
export interface ScorableDataset {
  readonly format: 'parquet' | 'arrow' | 'npy' | 'csv' | 'jsonl';
  readonly filename: string;
  readonly column: string;
  readonly bytes: Uint8Array;
}

/** How scoring ended: the rows of the dataset, or the error that refuses it. */
export type Outcome =
  | { readonly rows: number; readonly failed: number; readonly unreadable: number }
  | { readonly code: string; readonly message: string };

const MAX_CHUNKS = 50;

/** Has dataset threads validate, plan and score a dataset, as a batch does: a chunk that cannot be scored is given up. */
export async function scoreDataset(
  { format, filename, column, bytes }: ScorableDataset,
  { threads, store }: { readonly threads: DatasetThreads; readonly store: BlobStore },
): Promise<Outcome> {
  await store.put('rows', bytes, { maxBytes: 2 ** 30 });
  const batcher = new MicroBatcher(new PlusOneRunner(), { maxWaiting: 1_000 });
  const { signal } = new AbortController();
  const options = { model: PLUS_ONE, runRows: 2, priority: 128, signal };
  const spec = tableSpec('rows', { format, inputName: filename, table: { inputs: { x: column } } });
  const counts = { rows: 0, failed: 0, unreadable: 0 };
  try {
    const reply = await threads.do('validate', validateTask('batch', spec));
    if ('errors' in reply) return { code: reply.errors[0]?.code ?? '', message: reply.errors[0]?.message ?? '' };
    const { plan, start } = reply.dataset;
    const size = { rows: 40, multipleOf: plan.blockRows, maxBytes: 2 ** 20 };
    const { chunks } = await threads.do('plan', { plan, from: start, size, count: MAX_CHUNKS });
    for (const [index, range] of chunks.entries()) {
      const task = { batchId: 'batch', plan, index, range, attempt: '1-1' };
      const scored = await threads
        .do('score', task, { run: (request) => runRows(batcher, request, options) })
        .catch((thrown: unknown) => {
          const error = toSconceError(thrown);
          if (error.code === 'thread_crashed' || error.details['whole'] === true) throw error;
          return threads.do('score', { ...task, giveUp: error.toJSON() });
        });
      counts.rows += scored.part.rows;
      counts.failed += scored.part.failed;
      if (scored.part.unreadable !== undefined) counts.unreadable += scored.part.failed;
    }
    return counts;
  } catch (error) {
    if (error instanceof SconceError) return { code: error.code, message: error.message };
    throw error;
  }
}
