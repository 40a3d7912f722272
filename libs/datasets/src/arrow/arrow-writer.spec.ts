import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { MemoryByteSource } from '@sconce/storage';
import { describe, expect, it } from 'vitest';
import { plain, readColumns } from '../../fixtures/fixture-rows.ts';
import { EVERY_COLUMN, blockOf, fileOf, type KnownBlock } from '../../fixtures/output-blocks.ts';
import { openArrow } from './arrow-reader.ts';
import { arrowWriter } from './arrow-writer.ts';

const NAMES = EVERY_COLUMN.map(({ name }) => name);

function expectedOf(blocks: readonly KnownBlock[]): Record<string, unknown[]> {
  return Object.fromEntries(
    NAMES.map((name, at) => [name, blocks.flatMap(({ expected }) => expected[at] ?? []).map(plain)]),
  );
}

/** Vectors and their values, as JSON. */
function theirs(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) return plain(value ?? null);
  return Array.from(value as Iterable<unknown>, theirs);
}

describe('arrowWriter', () => {
  it('writes parts of any size into one file that our reader and apache-arrow read back unchanged', async () => {
    const parts = fc.array(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 3 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(parts, fc.integer(), async (sizes, seed) => {
        const blocks = sizes.map((part, at) =>
          part.map((rows, index) => blockOf(EVERY_COLUMN, rows, seed + at * 10 + index)),
        );
        const written = blocks.map((part) => part.map(({ block }) => block));
        const bytes = fileOf(arrowWriter(EVERY_COLUMN), written);
        expect(fileOf(arrowWriter(EVERY_COLUMN), written)).toEqual(bytes);
        const expected = expectedOf(blocks.flat());
        await using reader = await openArrow(new MemoryByteSource(bytes));
        expect(await readColumns(reader, { blockRows: 7 })).toEqual(expected);
        const table = tableFromIPC(bytes);
        const columns = NAMES.map((name) => [name, Array.from(table.getChild(name) ?? [], theirs)]);
        expect(Object.fromEntries(columns)).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });

  it('describes its columns: lists have their width if it is known', async () => {
    await using reader = await openArrow(new MemoryByteSource(fileOf(arrowWriter(EVERY_COLUMN), [])));
    expect(reader.rows).toBe(0);
    expect(reader.columns).toEqual(
      EVERY_COLUMN.map(({ name, datatype, rowShape }) => ({
        name,
        datatype: datatype === 'JSON' ? 'BYTES' : datatype,
        ...(rowShape.length === 0 ? {} : { list: rowShape.includes(-1) ? -1 : rowShape.reduce((a, b) => a * b, 1) }),
      })),
    );
  });

  it('aligns every batch and every buffer to 8 bytes', async () => {
    const parts = [1, 9, 17].map((rows) => [blockOf(EVERY_COLUMN, rows, rows).block]);
    const bytes = fileOf(arrowWriter(EVERY_COLUMN), parts);
    const { openArrowSource } = await import('./arrow-file.ts');
    const opened = await openArrowSource(new MemoryByteSource(bytes));
    if (opened.kind !== 'file') throw new Error('it is a file');
    const offsets = [0, 1, 10].map((row) => opened.index.find(row)?.offset ?? -1);
    expect(offsets.map((offset) => offset % 8)).toEqual([0, 0, 0]);
    expect(new Set(offsets).size).toBe(3);
  });
});
