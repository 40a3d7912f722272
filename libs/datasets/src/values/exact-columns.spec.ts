import fc from 'fast-check';
import { MemoryByteSource } from '@sconce/storage';
import { describe, expect, it } from 'vitest';
import { fixture } from '../../fixtures/fixture-rows.ts';
import { fileOf } from '../../fixtures/output-blocks.ts';
import { DATASET_FORMATS, type DatasetFormat } from '../dataset-format.ts';
import type { DatasetReader } from '../dataset-reader.ts';
import { createWriter, openDataset } from '../open-dataset.ts';
import { OutputEncoder } from '../output/output-encoder.ts';
import { mapOutputs, type OutputColumn } from '../output/output-mapping.ts';
import { cellOf, type RowBlock } from '../row-block.ts';
import { ExactValue, TIME_UNITS, binaryText, type ExactType, type TickType } from './exact-value.ts';

type Columns = Record<string, unknown[]>;

/** All values as they are in memory. */
async function valuesOf(reader: DatasetReader): Promise<Columns> {
  const names = reader.columns.map(({ name }) => name);
  const columns: Columns = Object.fromEntries(names.map((name) => [name, []]));
  const range = { firstRow: 0, rows: reader.rows ?? 0, offset: 0, length: 0 };
  for await (const { rows, cells } of reader.read({ range, columns: names, blockRows: 8 })) {
    for (let row = 0; row < rows; row++) {
      for (const [at, name] of names.entries()) columns[name]?.push(cellOf(cells, row, at));
    }
  }
  return columns;
}

/** Copies all columns into a file of another format, as `pass_through` does. */
async function copied(reader: DatasetReader, format: DatasetFormat): Promise<Buffer> {
  const names = reader.columns.map(({ name }) => name);
  const columns = mapOutputs({ outputs: [], hasRows: true, passThrough: names, dataset: reader });
  const values = await valuesOf(reader);
  const rows = reader.rows ?? 0;
  const block: RowBlock = {
    firstRow: 0,
    rows,
    cells: { by: 'column', columns: names.map((name) => values[name] ?? []) },
    problems: new Map(),
  };
  const encoder = new OutputEncoder(columns);
  const passed = encoder.copyPassed(
    block,
    names.map((_, at) => at),
  );
  const all = { rows: Array.from({ length: rows }, (_, row) => row), outputs: [] };
  return fileOf(await createWriter(columns, format), [[encoder.encode([all], passed)]]);
}

const open = (bytes: Buffer, format: DatasetFormat): Promise<DatasetReader> =>
  openDataset(new MemoryByteSource(bytes), format);

describe('values of types that no tensor has', () => {
  it.each([
    ['parquet', 'parquet'],
    ['parquet', 'arrow'],
    ['arrow', 'arrow'],
    ['arrow', 'parquet'],
  ] as const)('pass from %s, written by pyarrow, into %s in their own type', async (from, to) => {
    await using source = await openDataset(await fixture(`exact.${from}`), from);
    await using result = await open(await copied(source, to), to);
    // Parquet has instants, and no name of a zone.
    const typeOf = ({ exact }: { readonly exact?: ExactType }): ExactType | undefined =>
      exact?.kind === 'timestamp' && exact.zone !== undefined && to === 'parquet' ? { ...exact, zone: 'UTC' } : exact;
    expect(result.columns.map((column) => column.exact)).toEqual(source.columns.map(typeOf));
    // The reader of Parquet gives bytes that are valid UTF-8 as text, because old files store text so.
    const bytes = (value: unknown): unknown => (typeof value === 'string' ? Buffer.from(value) : value);
    const textOf = (columns: Columns): unknown =>
      JSON.parse(JSON.stringify({ ...columns, binary: columns['binary']?.map(bytes) }));
    expect(textOf(await valuesOf(result))).toEqual(textOf(await valuesOf(source)));
  });

  it.each(['parquet', 'arrow'] as const)('pass from %s into CSV and JSONL as exact text', async (from) => {
    await using source = await openDataset(await fixture(`exact.${from}`), from);
    const lines = (await copied(source, 'csv')).toString().split('\n');
    const names = lines[0]?.split(',') ?? [];
    const row = Object.fromEntries(names.map((name, at) => [name, lines[2]?.split(',')[at]]));
    expect(row).toMatchObject({
      decimal4: '0.00',
      date: '2024-02-29',
      instant_ns: '2024-02-29T12:30:15.123456789Z',
      local_ns: '2024-02-29T12:30:15.123456789',
      time_ns: '23:59:59.999999999',
      uuid: '01020304-0506-0708-090a-0b0c0d0e0f10',
      binary: '\\xC3(',
    });
    const [first] = (await copied(source, 'jsonl')).toString().split('\n');
    expect(first).toContain(
      '"decimal76":1234567890123456789012345678901234567890123456.789012345678901234567890123456,',
    );
    expect(first).toContain('"date":"1970-01-01",');
    expect(first).toContain('"instant_us":"1970-01-01T00:00:00.000001Z",');
    expect(first).toContain('"binary":"abc",');
    expect(first).toContain('"dates":["2024-02-29",null]');
  });
});

const TICK_TYPES: readonly TickType[] = [
  { kind: 'decimal', precision: 9, scale: 3 },
  { kind: 'decimal', precision: 18, scale: 0 },
  { kind: 'decimal', precision: 38, scale: 38 },
  { kind: 'decimal', precision: 76, scale: 2 },
  { kind: 'date' },
  ...TIME_UNITS.flatMap((unit): TickType[] => [
    { kind: 'time', unit },
    { kind: 'timestamp', unit },
    { kind: 'timestamp', unit, zone: 'UTC' },
    { kind: 'duration', unit },
  ]),
];

function ticksOf(type: TickType): fc.Arbitrary<bigint> {
  const symmetric = (max: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: -max, max });
  if (type.kind === 'decimal') return symmetric(10n ** BigInt(type.precision) - 1n);
  if (type.kind === 'date') return symmetric(2n ** 31n - 1n);
  if (type.kind !== 'time') return symmetric(2n ** 63n / 1_000n);
  return fc.bigInt({ min: 0n, max: 86_400n * 1_000n ** BigInt(TIME_UNITS.indexOf(type.unit)) - 1n });
}

function typeText(type: TickType): string {
  return JSON.stringify(type);
}

/** A type as Parquet stores it: it has no seconds, and durations are integers. */
function inParquet(value: ExactValue): unknown {
  const { type, ticks } = value;
  if (type.kind === 'duration') return ticks;
  if ((type.kind !== 'time' && type.kind !== 'timestamp') || type.unit !== 's') return value;
  return new ExactValue({ ...type, unit: 'ms' }, ticks * 1_000n);
}

describe('exact columns', () => {
  it.each(DATASET_FORMATS.filter((format) => format === 'parquet' || format === 'arrow'))(
    'are read from %s as they were written, with missing values, alone and in lists',
    async (format) => {
      const value = (type: TickType): fc.Arbitrary<ExactValue | null> =>
        fc.option(ticksOf(type).map((ticks) => new ExactValue(type, ticks)));
      for (const type of TICK_TYPES) {
        const rows = fc.array(fc.tuple(value(type), fc.option(fc.array(value(type), { maxLength: 3 }))), {
          minLength: 1,
          maxLength: 20,
        });
        await fc.assert(
          fc.asyncProperty(rows, async (given) => {
            const column = (name: string, rowShape: readonly number[]): OutputColumn => ({
              name,
              datatype: 'BYTES',
              rowShape,
              exact: type,
              source: { kind: 'column', column: name },
            });
            const writer = await createWriter([column('one', []), column('many', [-1])], format);
            const values = [given.map(([one]) => one), given.map(([, many]) => many)];
            const columns = values.map((own) => ({ kind: 'values' as const, values: own }));
            await using reader = await open(fileOf(writer, [[{ rows: given.length, columns }]]), format);
            const stored = (own: ExactValue | null): unknown =>
              own === null ? null : format === 'parquet' ? inParquet(own) : own;
            const read = await valuesOf(reader);
            expect(read['one'], typeText(type)).toEqual(given.map(([one]) => stored(one)));
            const lists = (read['many'] ?? []).map((own) => (own === null ? null : Array.from(own as unknown[])));
            expect(lists, typeText(type)).toEqual(given.map(([, many]) => many?.map(stored) ?? null));
          }),
          { numRuns: 5 },
        );
      }
    },
  );

  it('have the dates of the calendar', () => {
    const day = fc.integer({ min: -719_528, max: 2_932_896 });
    fc.assert(
      fc.property(day, fc.bigInt({ min: 0n, max: 86_399_999_999_999n }), (days, ofDay) => {
        const iso = new Date(days * 86_400_000 + Number(ofDay / 1_000_000n)).toISOString();
        expect(String(new ExactValue({ kind: 'date' }, BigInt(days)))).toBe(iso.slice(0, 10));
        const ticks = BigInt(days) * 86_400_000_000_000n + ofDay;
        const text = String(new ExactValue({ kind: 'timestamp', unit: 'ns', zone: 'UTC' }, ticks));
        expect(text).toBe(`${iso.slice(0, -1)}${String(ofDay % 1_000_000n).padStart(6, '0')}Z`);
      }),
    );
    expect(String(new ExactValue({ kind: 'date' }, 2_932_897n))).toBe('+010000-01-01');
    expect(String(new ExactValue({ kind: 'date' }, -719_529n))).toBe('-000001-12-31');
  });

  it('write bytes so that different bytes give different text', () => {
    const text = Buffer.from('a\\x41 ü');
    expect(binaryText(text)).toBe('a\\x5Cx41 \\xC3\\xBC');
    expect(binaryText(Buffer.from('a\\x41'))).not.toBe(binaryText(Buffer.from('aA')));
  });
});
