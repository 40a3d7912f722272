import { MemoryByteSource, type OpenByteSource } from '@sconce/storage';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectedColumns, fixture, readColumns } from '../../fixtures/fixture-rows.ts';
import { EVERY_COLUMN, fileOf } from '../../fixtures/output-blocks.ts';
import type { ChunkRange, ChunkSize, DatasetReader } from '../dataset-reader.ts';
import { openArrow } from './arrow-reader.ts';
import { arrowWriter } from './arrow-writer.ts';

const FILES = [
  ['flat.arrow', 'flat'],
  ['flat-lz4.arrow', 'flat'],
  ['flat-zstd.arrow', 'flat'],
  ['flat-stream.arrow', 'flat'],
  ['flat.feather', 'flat'],
  ['lists.arrow', 'lists'],
  ['lists-stream-zstd.arrow', 'lists'],
  ['lists-stream-legacy.arrow', 'lists'],
  ['dictionary.arrow', 'dictionary'],
  ['dictionary-stream.arrow', 'dictionary'],
] as const;

const ROWS = 120;
const ALL: ChunkRange = { firstRow: 0, rows: ROWS, offset: 0, length: 0 };

/** All chunks of a dataset. A new reader plans each one. */
async function chunksOf(open: () => Promise<DatasetReader>, sizes: readonly ChunkSize[]): Promise<ChunkRange[]> {
  const chunks: ChunkRange[] = [];
  let from = await open().then(({ start }) => start);
  for (let last = false, index = 0; !last; index++) {
    await using reader = await open();
    const size = sizes[index % sizes.length];
    if (size === undefined) throw new Error('there are sizes');
    const planned = await reader.plan(from, size);
    if (planned.chunk !== undefined) chunks.push(planned.chunk);
    ({ next: from, last } = planned);
  }
  return chunks;
}

/** A source that records the ranges that are read. */
function watched(source: OpenByteSource): OpenByteSource & { bytes: number; first: number } {
  return {
    size: source.size,
    bytes: 0,
    first: Infinity,
    read(offset, length) {
      this.bytes += length;
      if (offset > 0) this.first = Math.min(this.first, offset);
      return source.read(offset, length);
    },
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  };
}

describe('openArrow', () => {
  it.each(FILES)('reads %s, written by pyarrow', async (file, table) => {
    await using reader = await openArrow(await fixture(file));
    expect(await readColumns(reader, { range: ALL })).toEqual(await expectedColumns(table));
  });

  it.each(FILES)('plans and reads %s in chunks of any size, each with a new reader', async (file, table) => {
    const expected = await expectedColumns(table);
    const open = async (): Promise<DatasetReader> => openArrow(await fixture(file));
    const size = fc.record({
      rows: fc.integer({ min: 1, max: 80 }),
      multipleOf: fc.constant(1),
      maxBytes: fc.integer({ min: 1000, max: 100_000 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(size, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 60 }),
        async (sizes, blockRows) => {
          const columns = Object.fromEntries(Object.keys(expected).map((name): [string, unknown[]] => [name, []]));
          for (const range of await chunksOf(open, sizes)) {
            await using reader = await open();
            for (const [name, values] of Object.entries(await readColumns(reader, { range, blockRows }))) {
              columns[name]?.push(...values);
            }
          }
          expect(columns).toEqual(expected);
        },
      ),
      { numRuns: 6 },
    );
  });

  it('gives datatypes and lists of the columns, also for dictionaries', async () => {
    const types = async (file: string): Promise<Record<string, unknown>> => {
      await using reader = await openArrow(await fixture(file));
      return Object.fromEntries(reader.columns.map(({ name, datatype, list }) => [name, [datatype, list]]));
    };
    expect(await types('lists.arrow')).toEqual({
      id: ['INT32', undefined],
      float32s: ['FP32', -1],
      nullable: ['FP64', -1],
      int64s: ['INT64', -1],
      texts: ['BYTES', -1],
      bools: ['BOOL', -1],
      vector: ['FP32', 4],
      nested: ['INT32', -1],
    });
    expect(await types('dictionary.arrow')).toEqual({
      text: ['BYTES', undefined],
      text_null: ['BYTES', undefined],
      number: ['FP32', undefined],
      large: ['BYTES', undefined],
      large_list: ['FP64', -1],
      dates: [undefined, undefined],
      times: [undefined, undefined],
      struct: [undefined, undefined],
      bytes: [undefined, undefined],
      fixed_bytes: [undefined, undefined],
      views: ['BYTES', undefined],
      decimal: [undefined, undefined],
      null: [undefined, undefined],
      seconds: [undefined, undefined],
      list_of_dictionary: ['BYTES', -1],
    });
  });

  it('gives views of the file if nothing is null', async () => {
    const bytes = Uint8Array.from(await fixture('flat.arrow').then((source) => source.read(0, source.size)));
    await using reader = await openArrow(new MemoryByteSource(bytes));
    expect(reader.rows).toBe(ROWS);
    const columns = ['float64', 'float16', 'int64', 'bool'];
    for await (const { cells, rows } of reader.read({ range: { ...ALL, rows: 50 }, columns, blockRows: 25 })) {
      if (cells.by !== 'column') throw new Error('Arrow comes by columns');
      expect(rows).toBe(25);
      expect(cells.columns.map((own) => own.constructor)).toEqual([Float64Array, Float16Array, BigInt64Array, Array]);
      expect((cells.columns[0] as Float64Array).buffer).toBe(bytes.buffer);
    }
  });

  it('reads only the requested rows and columns of a file', async () => {
    const columns = EVERY_COLUMN.filter(({ name }) => name.endsWith(' value')).slice(0, 1);
    const wide = Array.from({ length: 20 }, (_, at) =>
      columns.map((column) => ({ ...column, name: `c${at}`, datatype: 'FP64' as const })),
    ).flat();
    const rows = 40_000;
    const elements = Float64Array.from({ length: rows }, (_, row) => row / 3);
    const block = { rows, columns: wide.map(() => ({ kind: 'elements' as const, elements, width: 1 })) };
    const source = watched(new MemoryByteSource(fileOf(arrowWriter(wide), [[block]])));
    await using reader = await openArrow(source);
    source.bytes = 0;
    const range = { firstRow: 30_000, rows: 100, offset: 0, length: 0 };
    expect((await readColumns(reader, { range, columns: ['c7'] }))['c7']).toEqual(
      Array.from(elements.slice(30_000, 30_100)),
    );
    expect(source.bytes).toBeLessThan(20_000);
  });

  it('begins a chunk of a stream at its own message', async () => {
    const file = await fixture('flat-stream.arrow');
    const size = { rows: 50, multipleOf: 10, maxBytes: 2 ** 20 };
    const chunks = await chunksOf(() => openArrow(file), [size]);
    expect(chunks.map(({ firstRow, rows, length }) => [firstRow, rows, length])).toEqual([
      [0, 50, 0],
      [50, 50, 0],
      [100, 20, 0],
    ]);
    const [, , last] = chunks;
    if (last === undefined) throw new Error('there are three chunks');
    const source = watched(file);
    await using reader = await openArrow(source);
    expect(reader.rows).toBeUndefined();
    await readColumns(reader, { range: last });
    expect(source.first).toBe(last.offset);
  });

  it.each([
    ['at a batch that ends after at least half of the wanted rows', 60, 10, [50, 50, 20]],
    ['anywhere if the batch does not end at a multiple', 60, 20, [60, 60]],
    ['anywhere if the batch is much longer', 40, 10, [40, 40, 40]],
    ['at the end of the file', 500, 10, [120]],
  ])('ends chunks %s', async (_, rows, multipleOf, expected) => {
    for (const file of ['flat.arrow', 'flat-stream.arrow']) {
      const open = async (): Promise<DatasetReader> => openArrow(await fixture(file));
      const chunks = await chunksOf(open, [{ rows, multipleOf, maxBytes: 2 ** 20 }]);
      expect(chunks.map((chunk) => chunk.rows)).toEqual(expected);
    }
  });

  it('reads a file without rows', async () => {
    await using reader = await openArrow(await fixture('empty.arrow'));
    expect(reader.rows).toBe(0);
    const planned = await reader.plan(reader.start, { rows: 10, multipleOf: 1, maxBytes: 100 });
    expect(planned).toEqual({ next: { row: 0, offset: 0 }, last: true });
  });

  it.each([
    ['union', 'union'],
    ['interval', 'interval'],
    ['runs', 'run-end encoding'],
  ])('refuses to read a column of %s, and reads the other columns', async (column, type) => {
    await using reader = await openArrow(await fixture('unreadable.arrow'));
    await expect(readColumns(reader, { columns: [column] })).rejects.toThrow(
      `Column "${column}" of the Arrow file has the type ${type}, which is not supported: leave it out`,
    );
    const columns = ['before', 'after'];
    expect(await readColumns(reader, { columns })).toEqual({ before: [1, 2, 3], after: ['x', null, 'z'] });
  });

  it('refuses two columns with the same name', async () => {
    const [column] = EVERY_COLUMN;
    if (column === undefined) throw new Error('there are columns');
    const bytes = fileOf(arrowWriter([column, column]), []);
    await expect(openArrow(new MemoryByteSource(bytes))).rejects.toThrow('two columns named "BOOL value"');
  });
});
