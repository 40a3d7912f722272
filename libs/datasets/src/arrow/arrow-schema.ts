import type { Datatype } from '@sconce/tensor';
import { datasetError, shown } from '../dataset-error.ts';
import type { DatasetColumn } from '../dataset-reader.ts';
import { MAX_COLUMNS } from '../limits.ts';
import { TIME_UNITS, type ExactType, type TimeUnit } from '../values/exact-value.ts';
import type { FlatTable } from './flat-table.ts';

const MAX_DEPTH = 64;

/** The name of the extension type of UUIDs, which are stored as 16 bytes. */
export const UUID_EXTENSION = 'arrow.uuid';
const EXTENSION_NAME = 'ARROW:extension:name';

/** The type of values and their layout in memory. */
export type ArrowType =
  | { readonly kind: 'null' }
  | { readonly kind: 'int'; readonly bits: number; readonly signed: boolean }
  | { readonly kind: 'float'; readonly bits: number }
  | { readonly kind: 'bool' }
  /** Text and bytes, with offsets of 32 or 64 bits, or with views. */
  | { readonly kind: 'bytes'; readonly text: boolean; readonly layout: 32 | 64 | 'view' }
  | { readonly kind: 'fixed_bytes'; readonly width: number }
  | { readonly kind: 'uuid' }
  | { readonly kind: 'decimal'; readonly bits: number; readonly precision: number; readonly scale: number }
  /** Days or milliseconds. */
  | { readonly kind: 'date'; readonly bits: 32 | 64 }
  | { readonly kind: 'timestamp'; readonly unit: TimeUnit; readonly zone: string | undefined }
  | { readonly kind: 'time'; readonly unit: TimeUnit; readonly bits: number }
  | { readonly kind: 'duration'; readonly unit: TimeUnit }
  | { readonly kind: 'list'; readonly bits: 32 | 64 }
  | { readonly kind: 'fixed_list'; readonly size: number }
  | { readonly kind: 'struct' }
  | { readonly kind: 'map' }
  /** A type that is not supported. `buffers` is the number of buffers to skip. */
  | { readonly kind: 'other'; readonly name: string; readonly buffers: number };

/** A column or a member of one. */
export interface ArrowField {
  readonly name: string;
  readonly type: ArrowType;
  readonly children: readonly ArrowField[];
  /** The values are in a dictionary, and the column has integers of this type as their indexes. */
  readonly dictionary?: { readonly id: number; readonly index: ArrowType };
}

/** The columns of a file. */
export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
  /** The columns of the dataset, in the same order. */
  readonly columns: readonly DatasetColumn[];
}

/**
 * Reads a schema. @throws SconceError `invalid_dataset` for big-endian data, two columns with the same name, or too many columns; RangeError
 * if it is damaged.
 */
export function readArrowSchema(schema: FlatTable, version: number): ArrowSchema {
  if (schema.integer(0, 16) !== 0) {
    throw datasetError('The Arrow file is big-endian: write it on a little-endian machine.');
  }
  const budget = { left: MAX_COLUMNS };
  const fields = schema.tables(1).map((table) => readField(table, { version, depth: 0, budget }));
  const names = new Set<string>();
  for (const { name } of fields) {
    if (names.has(name)) {
      throw datasetError(`The Arrow file has two columns named ${shown(name)}: give one of them another name.`);
    }
    names.add(name);
  }
  return { fields, columns: fields.map(columnOf) };
}

interface Walk {
  readonly version: number;
  readonly depth: number;
  readonly budget: { left: number };
}

function readField(table: FlatTable, walk: Walk): ArrowField {
  const { version, depth, budget } = walk;
  budget.left -= 1;
  if (budget.left < 0) throw datasetError(`The Arrow file has more than ${MAX_COLUMNS} columns.`);
  if (depth > MAX_DEPTH) throw datasetError(`The Arrow file's columns are nested more than ${MAX_DEPTH} levels deep.`);
  const children = table.tables(5).map((child) => readField(child, { version, depth: depth + 1, budget }));
  const stored = readType(table.integer(2, 8), table.table(3), version);
  const type = isUuid(stored, table) ? ({ kind: 'uuid' } as const) : stored;
  if (!hasMembers(type, children.length)) throw new RangeError('a list does not have exactly one member');
  const encoding = table.table(4);
  const field = { name: table.text(0), type, children };
  if (encoding === undefined) return field;
  const index = encoding.table(1);
  const int: ArrowType = index === undefined ? { kind: 'int', bits: 32, signed: true } : readInteger(index);
  return { ...field, dictionary: { id: encoding.integer(0, 64), index: int } };
}

function isUuid(stored: ArrowType, field: FlatTable): boolean {
  if (stored.kind !== 'fixed_bytes' || stored.width !== 16) return false;
  return field.tables(6).some((pair) => pair.text(0) === EXTENSION_NAME && pair.text(1) === UUID_EXTENSION);
}

function hasMembers({ kind }: ArrowType, count: number): boolean {
  if (kind === 'list' || kind === 'fixed_list' || kind === 'map') return count === 1;
  return kind === 'struct' || kind === 'other' || count === 0;
}

/** Reads a type by its number in the format's union. */
function readType(union: number, type: FlatTable | undefined, version: number): ArrowType {
  const integer = (field: number, bits: 16 | 32, absent = 0): number => type?.integer(field, bits, absent) ?? absent;
  switch (union) {
    case 1:
      return { kind: 'null' };
    case 2:
      return type === undefined ? unknownType(union) : readInteger(type);
    case 3:
      return { kind: 'float', bits: widthOf(16 << integer(0, 16), [16, 32, 64]) };
    case 4:
    case 5:
      return { kind: 'bytes', text: union === 5, layout: 32 };
    case 6:
      return { kind: 'bool' };
    case 7:
      return {
        kind: 'decimal',
        precision: integer(0, 32),
        scale: integer(1, 32),
        bits: widthOf(integer(2, 32, 128), [32, 64, 128, 256]),
      };
    case 8:
      return { kind: 'date', bits: integer(0, 16, 1) === 0 ? 32 : 64 };
    case 9:
      return { kind: 'time', unit: unitOf(integer(0, 16, 1)), bits: widthOf(integer(1, 32, 32), [32, 64]) };
    case 10:
      return {
        kind: 'timestamp',
        unit: unitOf(integer(0, 16)),
        zone: type?.text(1) === '' ? undefined : type?.text(1),
      };
    case 11:
      return { kind: 'other', name: 'interval', buffers: 2 };
    case 12:
      return { kind: 'list', bits: 32 };
    case 13:
      return { kind: 'struct' };
    case 14: {
      const own = integer(0, 16) === 0 ? 1 : 2;
      // Unions had a validity bitmap before version 5 of the metadata.
      return { kind: 'other', name: 'union', buffers: version < 4 ? own + 1 : own };
    }
    case 15:
      return { kind: 'fixed_bytes', width: sizeOf(integer(0, 32)) };
    case 16:
      return { kind: 'fixed_list', size: sizeOf(integer(0, 32)) };
    case 17:
      return { kind: 'map' };
    case 18:
      return { kind: 'duration', unit: unitOf(integer(0, 16, 1)) };
    case 19:
    case 20:
      return { kind: 'bytes', text: union === 20, layout: 64 };
    case 21:
      return { kind: 'list', bits: 64 };
    case 22:
      return { kind: 'other', name: 'run-end encoding', buffers: 0 };
    case 23:
    case 24:
      return { kind: 'bytes', text: union === 24, layout: 'view' };
    case 25:
    case 26:
      return { kind: 'other', name: 'list view', buffers: 3 };
    default:
      return unknownType(union);
  }
}

function unitOf(unit: number): TimeUnit {
  const name = TIME_UNITS[unit];
  if (name === undefined) throw new RangeError(`a time has the unknown unit ${unit}`);
  return name;
}

function unknownType(union: number): never {
  throw new RangeError(`a column is of the unknown type ${union}`);
}

function readInteger(type: FlatTable): ArrowType {
  return { kind: 'int', bits: widthOf(type.integer(0, 32), [8, 16, 32, 64]), signed: type.boolean(1) };
}

function widthOf(bits: number, known: readonly number[]): number {
  if (!known.includes(bits)) throw new RangeError(`a number has ${bits} bits`);
  return bits;
}

function sizeOf(size: number): number {
  if (size < 0) throw new RangeError(`a list has ${size} members`);
  return size;
}

/** Why values of such a type cannot be read. @param column the column, or the member of one. */
export function unsupportedType(column: string, type: string): string {
  return `Column ${shown(column)} of the Arrow file has the type ${type}, which is not supported: leave it out, or write it as another type.`;
}

/** The first type among a column's values that is not supported. */
function unsupportedOf({ name, type, children }: ArrowField): string | undefined {
  if (type.kind === 'other') return unsupportedType(name, type.name);
  for (const child of children) {
    const found = unsupportedOf(child);
    if (found !== undefined) return found;
  }
  return undefined;
}

function columnOf(field: ArrowField): DatasetColumn {
  const { name, type, children } = field;
  const unreadable = unsupportedOf(field);
  if (unreadable !== undefined) return { name, unreadable };
  const [member] = children;
  if ((type.kind !== 'list' && type.kind !== 'fixed_list') || member === undefined) {
    const datatype = datatypeOf(type);
    if (datatype !== undefined) return { name, datatype };
    const exact = exactTypeOf(type);
    return exact === undefined ? { name } : { name, exact };
  }
  const inner = columnOf(member);
  if (inner.datatype === undefined && inner.exact === undefined) return { name };
  const list = type.kind === 'fixed_list' && inner.list === undefined ? type.size : -1;
  const nested = inner.list === undefined ? {} : ({ nested: true } as const);
  if (inner.exact !== undefined) return { name, exact: inner.exact, list, ...nested };
  return { name, datatype: inner.datatype, list, ...nested };
}

/** The exact type of values that no tensor has. */
export function exactTypeOf(type: ArrowType): ExactType | undefined {
  switch (type.kind) {
    case 'decimal':
      return { kind: 'decimal', precision: type.precision, scale: type.scale };
    case 'date':
    case 'uuid':
      return { kind: type.kind };
    case 'time':
    case 'duration':
      return { kind: type.kind, unit: type.unit };
    case 'timestamp':
      return type.zone === undefined
        ? { kind: 'timestamp', unit: type.unit }
        : { kind: 'timestamp', unit: type.unit, zone: type.zone };
    case 'fixed_bytes':
      return { kind: 'binary', width: type.width };
    case 'bytes':
      return type.text ? undefined : { kind: 'binary' };
    default:
      return undefined;
  }
}

function datatypeOf(type: ArrowType): Datatype | undefined {
  switch (type.kind) {
    case 'int':
      return `${type.signed ? 'INT' : 'UINT'}${type.bits}` as Datatype;
    case 'float':
      return `FP${type.bits}` as Datatype;
    case 'bool':
      return 'BOOL';
    case 'bytes':
      return type.text ? 'BYTES' : undefined;
    default:
      return undefined;
  }
}
