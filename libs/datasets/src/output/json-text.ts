import { ExactValue, binaryText } from '../values/exact-value.ts';
import { float32Text } from './number-text.ts';

/** A float in JSON, as in answers over HTTP (ADR 47): NaN is null, and infinities are the strings "Infinity" and "-Infinity". */
export function floatText(value: number, single: boolean): string {
  if (Number.isNaN(value)) return 'null';
  if (!Number.isFinite(value)) return value > 0 ? '"Infinity"' : '"-Infinity"';
  if (single) return float32Text(value);
  return Object.is(value, -0) ? '-0' : String(value);
}

/** JSON of a value that may contain typed arrays, dates, bigints, exact values, and bytes (as Buffers). */
export function jsonText(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  if (typeof value === 'bigint') return String(value);
  if (value instanceof ExactValue) return value.isNumber ? value.toString() : JSON.stringify(value);
  if (Buffer.isBuffer(value)) return JSON.stringify(binaryText(value));
  if (value instanceof Date) return JSON.stringify(value);
  if (value instanceof Float32Array || value instanceof Float64Array) {
    const single = value instanceof Float32Array;
    return `[${Array.from(value, (element) => floatText(element, single)).join(',')}]`;
  }
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return `[${(value as Uint8Array).join(',')}]`;
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${jsonText(member)}`)
    .join(',')}}`;
}
