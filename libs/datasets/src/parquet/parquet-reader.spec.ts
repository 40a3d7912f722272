import { MemoryByteSource, type OpenByteSource } from '@sconce/storage';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectedColumns, fixture, readColumns } from '../../fixtures/fixture-rows.ts';
import { EVERY_COLUMN, fileOf } from '../../fixtures/output-blocks.ts';
import type { ChunkRange } from '../dataset-reader.ts';
import { openParquet } from './parquet-reader.ts';
import { parquetWriter } from './parquet-writer.ts';

const FILES = [
  ['flat-v1-snappy-dictionary', 'flat'],
  ['flat-v1-none-plain', 'flat'],
  ['flat-v1-gzip', 'flat'],
  ['flat-v2-zstd-plain', 'flat'],
  ['flat-v2-brotli-dictionary', 'flat'],
  ['flat-v2-lz4', 'flat'],
  ['lists-v1-snappy', 'lists'],
  ['lists-v1-none-plain', 'lists'],
  ['lists-v2-zstd', 'lists'],
  ['encoded-v2', 'encoded'],
  ['others', 'others'],
] as const;

const ROWS = 120;

function rowsOf(firstRow: number, rows: number): ChunkRange {
  return { firstRow, rows, offset: 0, length: 0 };
}

/** A source that counts the bytes that are read. */
function counted(source: OpenByteSource): OpenByteSource & { bytes: number } {
  return {
    size: source.size,
    bytes: 0,
    read(offset, length) {
      this.bytes += length;
      return source.read(offset, length);
    },
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  };
}

describe('openParquet', () => {
  it.each(FILES)('reads %s.parquet, written by pyarrow', async (file, table) => {
    await using reader = await openParquet(await fixture(`${file}.parquet`));
    expect(await readColumns(reader)).toEqual(await expectedColumns(table));
  });

  it.each(FILES.filter(([, table]) => table !== 'others'))('reads any chunk of %s.parquet', async (file, table) => {
    const expected = await expectedColumns(table);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 70 }),
        async (sizes, blockRows) => {
          const columns = Object.fromEntries(Object.keys(expected).map((name): [string, unknown[]] => [name, []]));
          for (let firstRow = 0, index = 0; firstRow < ROWS; index++) {
            const rows = Math.min(ROWS - firstRow, sizes[index % sizes.length] ?? 1);
            await using reader = await openParquet(await fixture(`${file}.parquet`));
            const read = await readColumns(reader, { range: rowsOf(firstRow, rows), blockRows });
            for (const [name, values] of Object.entries(read)) columns[name]?.push(...values);
            firstRow += rows;
          }
          expect(columns).toEqual(expected);
        },
      ),
      { numRuns: 8 },
    );
  });

  it('gives datatypes and lists of the columns', async () => {
    await using flat = await openParquet(await fixture('flat-v1-gzip.parquet'));
    expect(Object.fromEntries(flat.columns.map(({ name, datatype }) => [name, datatype]))).toEqual({
      int8: 'INT8',
      uint8: 'UINT8',
      int16: 'INT16',
      uint16: 'UINT16',
      int32: 'INT32',
      uint32: 'UINT32',
      int64: 'INT64',
      uint64: 'UINT64',
      float16: 'FP16',
      float32: 'FP32',
      float64: 'FP64',
      float32_null: 'FP32',
      bool: 'BOOL',
      bool_null: 'BOOL',
      text: 'BYTES',
      text_null: 'BYTES',
      same: 'BYTES',
      nothing: 'FP64',
    });
    expect(flat).toMatchObject({ closed: true, rows: ROWS, start: { row: 0, offset: 0 } });
    await using lists = await openParquet(await fixture('lists-v2-zstd.parquet'));
    expect(lists.columns).toEqual([
      { name: 'id', datatype: 'INT32' },
      { name: 'float32s', datatype: 'FP32', list: -1 },
      { name: 'nullable', datatype: 'FP64', list: -1 },
      { name: 'int64s', datatype: 'INT64', list: -1 },
      { name: 'texts', datatype: 'BYTES', list: -1 },
      { name: 'bools', datatype: 'BOOL', list: -1 },
      { name: 'vector', datatype: 'FP32', list: -1 },
      { name: 'nested', datatype: 'INT32', list: -1, nested: true },
    ]);
    await using others = await openParquet(await fixture('others.parquet'));
    expect(others.columns.map(({ datatype, list }) => datatype ?? list)).toEqual(Array(7).fill(undefined));
  });

  it('gives typed arrays if nothing is null, and columns in the requested order', async () => {
    await using reader = await openParquet(await fixture('flat-v2-zstd-plain.parquet'));
    const options = { range: rowsOf(40, 30), columns: ['float64', 'text', 'float32', 'int64'], blockRows: 20 };
    for await (const { cells } of reader.read(options)) {
      if (cells.by !== 'column') throw new Error('Parquet comes by columns');
      expect(cells.columns.map((values) => values.constructor)).toEqual([
        Float64Array,
        Array,
        Float32Array,
        BigInt64Array,
      ]);
    }
    await using lists = await openParquet(await fixture('lists-v1-snappy.parquet'));
    for await (const { cells } of lists.read({ range: rowsOf(0, 9), columns: ['vector'], blockRows: 9 })) {
      if (cells.by !== 'column') throw new Error('Parquet comes by columns');
      expect(Array.from(cells.columns[0] ?? [])).toEqual(
        Array.from({ length: 9 }, (_, row) => new Float32Array([row, row + 0.125, row + 0.25, row + 0.375])),
      );
    }
  });

  it('reads a file without rows', async () => {
    await using reader = await openParquet(await fixture('empty.parquet'));
    expect(reader.rows).toBe(0);
    expect(await reader.plan(reader.start, { rows: 10, multipleOf: 1, maxBytes: 100 })).toEqual({
      next: { row: 0, offset: 0 },
      last: true,
    });
  });

  it.each([
    ['at a row group that ends after at least half of the wanted rows', 60, 10, 2 ** 20, [50, 50, 20]],
    ['anywhere if the row group does not end at a multiple', 60, 20, 2 ** 20, [60, 60]],
    ['anywhere if the row group is much longer', 40, 10, 2 ** 20, [40, 40, 40]],
    ['at the end of the file', 500, 10, 2 ** 20, [120]],
    ['at a multiple after the allowed bytes', 100, 10, 1, Array<number>(12).fill(10)],
  ])('ends chunks %s', async (_, rows, multipleOf, maxBytes, expected) => {
    await using reader = await openParquet(await fixture('flat-v1-none-plain.parquet'));
    const sizes: number[] = [];
    let from = reader.start;
    for (let last = false; !last;) {
      const planned = await reader.plan(from, { rows, multipleOf, maxBytes });
      expect(planned.chunk).toMatchObject({ firstRow: from.row, offset: 0, length: 0 });
      sizes.push(planned.chunk?.rows ?? 0);
      ({ next: from, last } = planned);
    }
    expect(sizes).toEqual(expected);
  });

  it('reads only pages of the requested rows and columns', async () => {
    const columns = EVERY_COLUMN.filter(({ name }) => name.startsWith('FP64'));
    const rows = 200_000;
    const elements = Float64Array.from({ length: rows }, (_, row) => row + Math.sqrt(row));
    const block = { rows, columns: columns.map(() => ({ kind: 'elements' as const, elements, width: 1 })) };
    const plain = columns.map((column) => ({ ...column, rowShape: [], source: columns[0]?.source ?? column.source }));
    const source = counted(new MemoryByteSource(fileOf(parquetWriter(plain), [[block]])));
    await using reader = await openParquet(source);
    source.bytes = 0;
    const read = await readColumns(reader, { columns: ['FP64 list'], range: rowsOf(190_000, 100), blockRows: 100 });
    expect(read['FP64 list']).toEqual(Array.from(elements.subarray(190_000, 190_100)));
    expect(source.bytes).toBeLessThan(rows * 8);
  });

  it('refuses two columns with the same name', async () => {
    const [column] = EVERY_COLUMN;
    if (column === undefined) throw new Error('there are columns');
    const bytes = fileOf(parquetWriter([column, column]), []);
    await expect(openParquet(new MemoryByteSource(bytes))).rejects.toThrow(
      'two columns named "BOOL value": give one of them another name',
    );
  });
});
