import { SCALAR_TYPES, type ScalarType } from '../scalar-type.ts';
import {
  ListValue,
  SymBool,
  SymFloat,
  SymStr,
  TensorValue,
  UninitializedValue,
  type Value,
} from '../symbolic/values.ts';
import { SymInt } from '../symbolic/sym-int.ts';
import type { SchemaType } from '../schema/parse-schema.ts';

/** An argument for a lowering; undefined if the value does not have the type. */
export type Converted = { readonly value: unknown } | undefined;

/** A value has the type, but is known only at run time, and the operator needs it at compile time. */
export class NotConcrete extends Error {}

/**
 * Converts a value of the program for a lowering: an int to a number, a `ScalarType` to a name, a list to an array. With `symbolic`
 * (Python's own operators) values are not converted.
 */
export function convertArgument(value: Value, type: SchemaType, symbolic: boolean): Converted {
  switch (type.kind) {
    case 'optional':
      return value === null ? { value: null } : convertArgument(value, type.of, symbolic);
    case 'list':
      return convertList(value, type, symbolic);
    case 'tuple':
      return isKind(value, 'tuple') ? { value } : undefined;
    case 'generic':
      if (type.name === 'Dict' || type.name === 'List')
        return isKind(value, type.name.toLowerCase()) ? { value } : undefined;
      return { value };
    case 'name':
      return convertNamed(value, type.name, symbolic);
  }
}

function convertList(value: Value, type: SchemaType & { kind: 'list' }, symbolic: boolean): Converted {
  if (value instanceof ListValue) {
    if (value.grown !== undefined || value.pieces !== undefined) return undefined;
    if (symbolic)
      return value.stored.every((item) => convertArgument(item, type.of, true) !== undefined) ? { value } : undefined;
    const items = value.items.map((item) => convertArgument(item, type.of, false));
    return items.every((item) => item !== undefined) ? { value: items.map((item) => item.value) } : undefined;
  }
  if (type.size === undefined || symbolic) return undefined;
  // A single number means `size` equal numbers.
  const one = convertArgument(value, type.of, false);
  return one === undefined ? undefined : { value: Array.from({ length: type.size }, () => one.value) };
}

function convertNamed(value: Value, name: string, symbolic: boolean): Converted {
  if (value instanceof UninitializedValue) return { value };
  switch (name) {
    case 'Tensor':
      return value instanceof TensorValue ? { value } : undefined;
    case 'SymInt':
    case 'int':
      if (symbolic) return isInt(value) ? { value } : undefined;
      if (typeof value === 'bigint') return { value: Number(value) };
      if (!(value instanceof SymInt)) return undefined;
      if (name === 'int') throw new NotConcrete();
      return { value };
    case 'ScalarType': {
      const dtype: ScalarType | undefined = typeof value === 'bigint' ? SCALAR_TYPES[Number(value)] : undefined;
      return dtype === undefined ? undefined : { value: dtype };
    }
    case 'Layout':
    case 'MemoryFormat':
      return typeof value === 'bigint' ? { value: Number(value) } : undefined;
    case 'float':
      if (symbolic) return isFloat(value) ? { value } : undefined;
      if (value instanceof SymFloat || value instanceof SymInt) throw new NotConcrete();
      return typeof value === 'number' || typeof value === 'bigint' ? { value: Number(value) } : undefined;
    case 'bool':
      if (value instanceof SymBool) {
        if (symbolic) return { value };
        throw new NotConcrete();
      }
      return typeof value === 'boolean' ? { value } : undefined;
    case 'Scalar':
    case 'number':
      return isInt(value) || isFloat(value) || typeof value === 'boolean' || value instanceof SymBool
        ? { value }
        : undefined;
    case 'AnyStr':
      return typeof value === 'string' || value instanceof SymStr ? { value } : undefined;
    case 'str':
      if (value instanceof SymStr) throw new NotConcrete();
      return typeof value === 'string' ? { value } : undefined;
    case 'AnyEnumType':
      return isKind(value, 'enum') ? { value } : undefined;
    case 'Device':
      return isKind(value, 'device') ? { value } : undefined;
    case 'Generator':
      return undefined;
    default:
      // `Any`, `t` and type variables accept every value.
      return { value };
  }
}

function isInt(value: Value): boolean {
  return typeof value === 'bigint' || value instanceof SymInt;
}

function isFloat(value: Value): boolean {
  return typeof value === 'number' || value instanceof SymFloat;
}

function isKind(value: Value, kind: string): boolean {
  return value !== null && typeof value === 'object' && 'kind' in value && value.kind === kind;
}

/** Converts a schema's default for a lowering. */
export function convertDefault(text: string, type: SchemaType, symbolic: boolean): unknown {
  if (text === 'None') return null;
  if (type.kind === 'optional') return convertDefault(text, type.of, symbolic);
  if (type.kind === 'list') {
    const item = (part: string): unknown => convertDefault(part.trim(), type.of, symbolic);
    if (!text.startsWith('[')) return Array.from({ length: type.size ?? 1 }, () => item(text));
    return text === '[]' ? [] : text.slice(1, -1).split(',').map(item);
  }
  if (text === 'True' || text === 'False') return text === 'True';
  if (/^["']/.test(text)) return text.slice(1, -1);
  if (text === 'Mean') return 1;
  const name = type.kind === 'name' ? type.name : '';
  if (text === 'long') return 'int64';
  if (text === 'float') return name === 'ScalarType' ? 'float32' : 6;
  if (text === 'contiguous_format') return 0;
  if (text === 'strided') return 0;
  const number = text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text);
  if (name === 'ScalarType') return SCALAR_TYPES[number];
  const whole = /^[-+]?\d+$/.test(text);
  const isScalar = name === 'Scalar' || name === 'number';
  return whole && (isScalar || (symbolic && name !== 'float')) ? BigInt(text) : number;
}
