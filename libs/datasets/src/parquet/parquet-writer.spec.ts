import fc from 'fast-check';
import { parquetReadObjects } from 'hyparquet';
import { MemoryByteSource } from '@sconce/storage';
import { describe, expect, it } from 'vitest';
import { plain, readColumns } from '../../fixtures/fixture-rows.ts';
import { EVERY_COLUMN, blockOf, fileOf, type KnownBlock } from '../../fixtures/output-blocks.ts';
import { widthOf } from '../output/output-mapping.ts';
import { openParquet } from './parquet-reader.ts';
import { parquetWriter } from './parquet-writer.ts';

const NAMES = EVERY_COLUMN.map(({ name }) => name);

function expectedOf(blocks: readonly KnownBlock[]): Record<string, unknown[]> {
  return Object.fromEntries(
    NAMES.map((name, at) => [name, blocks.flatMap(({ expected }) => expected[at] ?? []).map(plain)]),
  );
}

describe('parquetWriter', () => {
  it('writes parts of any size into one file that our reader and hyparquet read back unchanged', async () => {
    const parts = fc.array(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 3 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(parts, fc.integer(), async (sizes, seed) => {
        const blocks = sizes.map((part, at) =>
          part.map((rows, index) => blockOf(EVERY_COLUMN, rows, seed + at * 10 + index)),
        );
        const written = blocks.map((part) => part.map(({ block }) => block));
        const bytes = fileOf(parquetWriter(EVERY_COLUMN), written);
        expect(fileOf(parquetWriter(EVERY_COLUMN), written)).toEqual(bytes);
        const expected = expectedOf(blocks.flat());
        await using reader = await openParquet(new MemoryByteSource(bytes));
        expect(await readColumns(reader, { blockRows: 7 })).toEqual(expected);
        const file = Uint8Array.from(bytes).buffer;
        const rows = await parquetReadObjects({ file });
        const theirs = NAMES.map((name) => [name, rows.map((row) => plain(row[name] ?? null))]);
        expect(Object.fromEntries(theirs)).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });

  it('describes its columns: lists of any length, numbers with the model’s datatypes', async () => {
    await using reader = await openParquet(new MemoryByteSource(fileOf(parquetWriter(EVERY_COLUMN), [])));
    expect(reader.rows).toBe(0);
    expect(reader.columns).toEqual(
      EVERY_COLUMN.map(({ name, datatype, rowShape }) => ({
        name,
        datatype: datatype === 'JSON' ? 'BYTES' : datatype,
        ...(rowShape.length === 0 ? {} : { list: -1 }),
      })),
    );
  });

  it('makes row groups of at most 64k rows and about 8 MiB for any blocks', async () => {
    const wide = EVERY_COLUMN.filter((column) => column.name === 'FP64 list' && widthOf(column) === 3);
    const rows = 150_000;
    const { block } = blockOf(wide, rows, 5);
    const bytes = fileOf(parquetWriter(wide), [[block, block]]);
    const { readFooter } = await import('./parquet-footer.ts');
    const { groups } = await readFooter(new MemoryByteSource(bytes));
    expect(groups.reduce((sum, group) => sum + group.rows, 0)).toBe(rows * 2);
    expect(Math.max(...groups.map((group) => group.rows))).toBeLessThanOrEqual(64 * 1024);
    expect(groups.length).toBeLessThan(10);
  });

  it('writes dates, bytes and other values that are not text as text', async () => {
    const columns = [
      {
        ...(EVERY_COLUMN[0] ?? { rowShape: [] }),
        name: 'any',
        datatype: 'BYTES',
        rowShape: [],
        source: { kind: 'column', column: 'any' },
      },
    ] as const;
    const values = [new Date(0), new Date(NaN), 12n, 1.5, true, { a: 1n }, new Uint8Array([1, 2]), undefined, 'text'];
    const bytes = fileOf(parquetWriter(columns), [[{ rows: values.length, columns: [{ kind: 'values', values }] }]]);
    await using reader = await openParquet(new MemoryByteSource(bytes));
    const { any } = await readColumns(reader);
    expect(any).toEqual(['1970-01-01T00:00:00.000Z', 'null', '12', '1.5', 'true', '{"a":1}', '[1,2]', null, 'text']);
  });
});
