import type { DatasetColumn } from '../dataset-reader.ts';
import { ExactValue } from '../values/exact-value.ts';

/** Text that people write for a missing number, and for infinities. */
const NON_FINITE = /^\s*[-+]?(nan|inf|infinity)\s*$/i;

/** The type of a column: that of the file, or what its first values are. */
export function columnType(column: DatasetColumn, values: readonly unknown[]): string {
  const { datatype, exact, list, nested } = column;
  const type = exact?.kind ?? datatype;
  if (nested === true) return 'JSON';
  if (type !== undefined) return list === undefined ? type : `${type}[${list}]`;
  const kinds = [
    ...new Set(values.filter((value) => value !== '' && value !== null && value !== undefined).map(kindOf)),
  ];
  if (kinds.length === 0) return values.length === 0 ? 'unknown' : 'empty';
  if (kinds.length === 1) return kinds[0] ?? 'unknown';
  return kinds.every((kind) => kind === 'integer' || kind === 'number') ? 'number' : 'mixed';
}

function kindOf(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  if (typeof value === 'bigint') return 'integer';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value !== 'string') return Array.isArray(value) ? 'list' : 'object';
  if (/^\s*[-+]?\d+\s*$/.test(value)) return 'integer';
  if (value.trim() !== '' && (Number.isFinite(Number(value)) || NON_FINITE.test(value))) return 'number';
  return /^\s*\[/.test(value) ? 'list' : 'text';
}

/** Whether values of this type can be elements of a tensor of numbers. */
export function isNumeric(type: string): boolean {
  return /^(integer|number|boolean|BOOL|U?INT\d+|B?FP?\d+|decimal)$/.test(type);
}

/** Whether it is NaN or an infinity, also as text. */
export function isNonFinite(value: unknown): boolean {
  return typeof value === 'number' ? !Number.isFinite(value) : typeof value === 'string' && NON_FINITE.test(value);
}

/** A value that JSON can hold, of bounded length. */
export function shownValue(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === 'bigint' || value instanceof ExactValue) return String(value);
  if (typeof value === 'string') return value.length > 200 ? `${value.slice(0, 200)}…` : value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  const list = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>) : undefined;
  if (list === undefined) return value;
  return list.length > 20 ? [...list.slice(0, 20).map(shownValue), `… ${list.length} in all`] : list.map(shownValue);
}
