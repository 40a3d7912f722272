import { datasetError } from '../dataset-error.ts';
import { piece } from '../parquet/value-runs.ts';
import type { ColumnValues } from '../row-block.ts';
import { unsupportedType, type ArrowType } from './arrow-schema.ts';
import type { BatchBody } from './batch-body.ts';
import { typeOf, type ColumnLayout } from './column-layout.ts';
import { numbers, readOffsets, readValidity, withNulls } from './primitive-values.ts';
import { readByteArrays } from './text-values.ts';

/** Gives the values of a dictionary by its id. */
export type Dictionaries = (id: number) => Promise<ColumnValues>;

/** The source of values. */
export interface ValueSource {
  readonly body: BatchBody;
  readonly dictionaries: Dictionaries;
}

/**
 * Rows `from` to `to` of a column: typed arrays if nothing is null, and views of the batch if it is not compressed. Dates, times
 * and decimals become exact values, bytes become Buffers, structs and maps become objects.
 *
 * @throws SconceError `invalid_dataset` for types that are not supported, RangeError if the batch is damaged.
 */
export async function readValues(
  column: ColumnLayout,
  source: ValueSource,
  from: number,
  to: number,
): Promise<ColumnValues> {
  if (to > column.length || from > to) throw new RangeError(`values ${from} to ${to} of ${column.length}`);
  const { dictionary } = column.field;
  if (dictionary === undefined) return readPlain(column, source, from, to);
  const places = await readPlain(column, source, from, to);
  const values = await source.dictionaries(dictionary.id);
  return Array.from(places, (place) => {
    if (place === null) return null;
    const at = Number(place);
    if (at < 0 || at >= values.length) throw new RangeError(`value ${at} of a dictionary of ${values.length}`);
    return values[at];
  });
}

async function readPlain(column: ColumnLayout, source: ValueSource, from: number, to: number): Promise<ColumnValues> {
  const type = typeOf(column.field);
  if (type.kind === 'null') return new Array<unknown>(to - from).fill(null);
  if (type.kind === 'other') {
    throw datasetError(unsupportedType(column.field.name, type.name));
  }
  const valid = await readValidity(column, source.body, from, to);
  const values = await presentValues(type, column, { source, from, to, valid });
  return valid === undefined ? values : withNulls(values, valid);
}

/** The values, with arbitrary values at nulls. */
async function presentValues(
  type: Exclude<ArrowType, { kind: 'null' | 'other' }>,
  column: ColumnLayout,
  range: {
    readonly source: ValueSource;
    readonly from: number;
    readonly to: number;
    readonly valid: readonly boolean[] | undefined;
  },
): Promise<ColumnValues> {
  const { source, from, to, valid } = range;
  switch (type.kind) {
    case 'bytes':
      return readByteArrays(type, column, source.body, { from, to, valid });
    case 'list':
      return readLists(column, range, type.bits);
    case 'map': {
      const entries = await readLists(column, range, 32);
      return Array.from(entries, mapOf);
    }
    case 'fixed_list': {
      const { size } = type;
      const members = await readMember(column, source, from * size, to * size);
      return Array.from({ length: to - from }, (_, row) => piece(members, row * size, (row + 1) * size));
    }
    case 'struct':
      return readStructs(column, range);
    default:
      return numbers(type, column, source.body, { from, to });
  }
}

async function readLists(
  column: ColumnLayout,
  { source, from, to }: { readonly source: ValueSource; readonly from: number; readonly to: number },
  bits: 32 | 64,
): Promise<ColumnValues[]> {
  if (to === from) return [];
  const offsets = await readOffsets(source.body, column.buffer + 1, { bits, from, to });
  const first = offsets[0] ?? 0;
  const members = await readMember(column, source, first, offsets.at(-1) ?? 0);
  return Array.from({ length: to - from }, (_, row) =>
    piece(members, (offsets[row] ?? 0) - first, (offsets[row + 1] ?? 0) - first),
  );
}

function readMember(column: ColumnLayout, source: ValueSource, from: number, to: number): Promise<ColumnValues> {
  const [member] = column.children;
  if (member === undefined) throw new RangeError('a list has no member');
  return readValues(member, source, from, to);
}

async function readStructs(
  { children }: ColumnLayout,
  { source, from, to }: { readonly source: ValueSource; readonly from: number; readonly to: number },
): Promise<unknown[]> {
  const members: { readonly name: string; readonly values: ColumnValues }[] = [];
  for (const child of children) {
    members.push({ name: child.field.name, values: await readValues(child, source, from, to) });
  }
  return Array.from({ length: to - from }, (_, row) =>
    Object.fromEntries(members.map(({ name, values }) => [name, values[row]])),
  );
}

/** Entries of a map: structs whose first member is the key and whose second is the value, with any names. */
function mapOf(entries: ColumnValues): Record<string, unknown> {
  return Object.fromEntries(
    Array.from(entries, (entry) => {
      const [key, value] = Object.values((entry ?? {}) as Record<string, unknown>);
      return [String(key), value];
    }),
  );
}
