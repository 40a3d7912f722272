import { expect, it } from 'vitest';
import { MemoryByteSource } from '@sconce/storage';
import { openDataset } from '../open-dataset.ts';
import { fieldPath } from './field-path.ts';

it.each<[string, readonly (string | number)[] | undefined]>([
  ['a.b', ['a', 'b']],
  ['a[0]', ['a', 0]],
  ['a.b[0].c', ['a', 'b', 0, 'c']],
  ['a[1][2]', ['a', 1, 2]],
  ['a.0', ['a', '0']],
  ['a b.c-d', ['a b', 'c-d']],
  ['a', undefined],
  ['.a', undefined],
  ['a.', undefined],
  ['a..b', undefined],
  ['a[]', undefined],
  ['a[x]', undefined],
  ['a[-1]', undefined],
  ['[0]', undefined],
  ['a[0]b', undefined],
])('the path of %j', (name, path) => {
  expect(fieldPath(name)).toEqual(path);
});

async function column(name: string, ...rows: readonly object[]): Promise<unknown[]> {
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await using reader = await openDataset(new MemoryByteSource(Buffer.from(text)), 'jsonl');
  const { chunk } = await reader.plan(reader.start, { rows: 100, multipleOf: 1, maxBytes: 1e6 });
  const found: unknown[] = [];
  if (chunk === undefined) return found;
  for await (const { cells } of reader.read({ range: chunk, columns: [name], blockRows: 100 })) {
    if (cells.by === 'row') found.push(...cells.rows.map(([value]) => value));
  }
  return found;
}

it.each<[string, object, unknown]>([
  ['a.b', { a: { b: 1 } }, 1],
  ['a.b[1]', { a: { b: [1, 2] } }, 2],
  ['a[0].b', { a: [{ b: [3] }] }, [3]],
  // A field of this very name comes first.
  ['a.b', { 'a.b': 4, a: { b: 5 } }, 4],
  ['a.b', { a: null }, undefined],
  ['a.b', { a: 'text' }, undefined],
  ['a.b', {}, undefined],
  ['a[5]', { a: [1] }, undefined],
  ['a[0]', { a: { 0: 1 } }, undefined],
  ['a.0', { a: [1] }, undefined],
  ['a.length', { a: [1, 2] }, undefined],
  ['a.constructor', { a: {} }, undefined],
  ['a.__proto__', { a: {} }, undefined],
])('%s of %j', async (name, row, expected) => {
  expect(await column(name, row)).toEqual([expected]);
});
