import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { temporaryFolder } from '@sconce/testing';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import { DatasetSources } from '../dataset-sources.ts';
import { tableSpec, validateTask } from '../testing/table-batch.ts';
import { validateDataset } from './validate-dataset.ts';

const folder = temporaryFolder('line-numbers');
const store = await openBlobStore(storageConfigSchema.parse({ root: join(folder, 'store') }));

/** Validates request lines and returns the lines of the reported errors. */
async function linesOf(text: string): Promise<unknown> {
  await store.put('rows', Buffer.from(text), { maxBytes: 2 ** 26 });
  const spec = tableSpec('rows', { kind: 'requests', format: 'jsonl', endpoint: '/v2/models/plus-one/infer' });
  const reply = await validateDataset(validateTask('batch', spec), {
    store,
    sources: new DatasetSources(store, { roots: [], s3: {} }),
    limits: DATASET_LIMITS,
    signal: new AbortController().signal,
    run: () => Promise.reject(new Error('nothing runs')),
  });
  return 'errors' in reply ? reply.errors.map(({ line }) => line) : [];
}

const request = (id: number): string => JSON.stringify({ custom_id: String(id), body: {} });

it.each<[string, string[], number[]]>([
  ['without blank lines', [request(1), 'x', request(2), 'y'], [2, 4]],
  ['with blank lines anywhere', ['', request(1), '', '', 'x', '\r', request(2), 'y', ''], [5, 8]],
  ['with blank lines alone before', ['', '', '', 'x'], [4]],
])('numbers the lines of a file as an editor does, %s', async (_what, lines, expected) => {
  expect(await linesOf(lines.join('\n'))).toEqual(expected);
});

it('does so in every chunk and window of a large file', async () => {
  const lines: string[] = [];
  const expected: number[] = [];
  for (let id = 0; id < 101_000; id++) {
    if (id % 997 === 5) lines.push('', '');
    const isBad = id % 25_000 === 24_999;
    if (isBad) expected.push(lines.length + 1);
    lines.push(isBad ? 'bad' : request(id));
  }
  expect(await linesOf(lines.join('\n'))).toEqual(expected);
});
