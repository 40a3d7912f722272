import type { BatchLayout } from './arrow-messages.ts';
import type { ArrowField, ArrowType } from './arrow-schema.ts';

/** The position of a column, or of a member of a column, in a batch. */
export interface ColumnLayout {
  readonly field: ArrowField;
  readonly length: number;
  readonly nulls: number;
  /** Index of its first buffer. */
  readonly buffer: number;
  /** Number of data buffers of views. */
  readonly variadic: number;
  readonly children: readonly ColumnLayout[];
}

/** Most bytes that a byte of a compressed buffer becomes. The densest is a zstd block of 4 bytes for 128 KiB. */
const MAX_EXPANSION = 32 * 1024;
/** Most rows of a batch whose columns have no buffers. */
const MAX_ROWS_WITHOUT_BYTES = 2 ** 31 - 1;

/**
 * Checks that one column at least has as many rows as the batch, and bytes for them. Whatever else is damaged is found when the rows are
 * read; a number of rows that is wrong would be planned first. @throws RangeError.
 */
export function checkRows(fields: readonly ArrowField[], layout: BatchLayout): void {
  const { rows } = layout;
  const at = { node: 0, buffer: 0, variadic: 0 };
  const columns = fields.map((field) => layColumn(field, layout, at));
  if (columns.length === 0 || columns.some((own) => own.length === rows && mostValues(own, layout) >= rows)) return;
  throw new RangeError(`a batch should have ${rows} rows, and none of its columns has as many`);
}

/** How many values the buffers of a column, or of its members, have room for. */
function mostValues(column: ColumnLayout, layout: BatchLayout): number {
  const type = typeOf(column.field);
  if (type.kind === 'struct' || type.kind === 'fixed_list') {
    const width = type.kind === 'struct' ? 1 : type.size;
    const members = column.children.map((child) => mostValues(child, layout));
    return members.length === 0 || width === 0 ? MAX_ROWS_WITHOUT_BYTES : Math.max(...members) / width;
  }
  const bits = bitsOf(type);
  if (bits === 0) return MAX_ROWS_WITHOUT_BYTES;
  const stored = layout.buffers[column.buffer + 1]?.length ?? 0;
  return (stored * (layout.compression === undefined ? 1 : MAX_EXPANSION) * 8) / bits;
}

/** Bits of a value, or of its offset or view, in the second buffer of a column. 0 if that is not known. */
function bitsOf(type: ArrowType): number {
  switch (type.kind) {
    case 'null':
    case 'struct':
    case 'fixed_list':
    case 'other':
      return 0;
    case 'bool':
      return 1;
    case 'bytes':
      return type.layout === 'view' ? 128 : type.layout;
    case 'fixed_bytes':
      return 8 * type.width;
    case 'uuid':
      return 128;
    case 'map':
      return 32;
    case 'timestamp':
    case 'duration':
      return 64;
    default:
      return type.bits;
  }
}

/** Matches the columns of a schema with the nodes and buffers of a batch. @throws RangeError if they do not match. */
export function layColumns(fields: readonly ArrowField[], layout: BatchLayout): readonly ColumnLayout[] {
  const at = { node: 0, buffer: 0, variadic: 0 };
  const columns = fields.map((field) => layColumn(field, layout, at));
  if (at.buffer > layout.buffers.length) {
    throw new RangeError(`a batch has ${layout.buffers.length} buffers, and its columns need ${at.buffer}`);
  }
  for (const { field, length } of columns) {
    if (length !== layout.rows) throw new RangeError(`column ${field.name} has ${length} of ${layout.rows} rows`);
  }
  return columns;
}

/** All buffers of a column, including those of its members. */
export function buffersOf(column: ColumnLayout): number[] {
  const own = Array.from(
    { length: buffersOfType(typeOf(column.field)) + column.variadic },
    (_, i) => column.buffer + i,
  );
  return [...own, ...column.children.flatMap(buffersOf)];
}

/** The stored type: for a column with a dictionary, the type of the indexes. */
export function typeOf({ type, dictionary }: ArrowField): ArrowType {
  return dictionary?.index ?? type;
}

function layColumn(
  field: ArrowField,
  layout: BatchLayout,
  at: { node: number; buffer: number; variadic: number },
): ColumnLayout {
  const node = layout.nodes[at.node];
  if (node === undefined) throw new RangeError('a batch has fewer columns than the schema');
  if (node.length < 0) throw new RangeError(`a column has ${node.length} values`);
  at.node += 1;
  const type = typeOf(field);
  const { buffer } = at;
  const variadic = type.kind === 'bytes' && type.layout === 'view' ? (layout.variadic[at.variadic++] ?? 0) : 0;
  at.buffer += buffersOfType(type) + variadic;
  // The members of a dictionary's values are in the dictionary.
  const members = field.dictionary === undefined ? field.children : [];
  const children = members.map((child) => layColumn(child, layout, at));
  return { field, length: node.length, nulls: node.nulls, buffer, variadic, children };
}

function buffersOfType(type: ArrowType): number {
  switch (type.kind) {
    case 'null':
      return 0;
    case 'fixed_list':
    case 'struct':
      return 1;
    case 'bytes':
      return type.layout === 'view' ? 2 : 3;
    case 'other':
      return type.buffers;
    default:
      return 2;
  }
}
