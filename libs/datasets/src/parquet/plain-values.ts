import { jsonText } from '../output/json-text.ts';
import { ExactValue, binaryText } from '../values/exact-value.ts';
import type { ColumnDatatype } from '../output/output-mapping.ts';

/** The elements of a list. */
export type ElementList = ArrayLike<unknown> & { entries(): Iterable<[number, unknown]> };

/** All elements of a list, which may be nested. */
export function elementsOfList(row: unknown): ElementList {
  if (isTyped(row)) return row;
  return Array.isArray(row) ? row.flatMap((value: unknown) => [...nestedElements(value)]) : [row];
}

function* nestedElements(value: unknown): Generator<unknown, void, undefined> {
  if (!Array.isArray(value) && !isTyped(value)) yield value;
  else for (const element of value as Iterable<unknown>) yield* nestedElements(element);
}

function isTyped(value: unknown): value is Float32Array {
  // A Buffer is one value: bytes.
  return ArrayBuffer.isView(value) && !(value instanceof DataView) && !Buffer.isBuffer(value);
}

/** Whether a value is null or missing. */
export function isMissing(value: unknown): boolean {
  return value === null || value === undefined;
}

const toNumber = (value: unknown): unknown => (typeof value === 'number' ? value : Number(value));
const toBigInt = (value: unknown): unknown => (typeof value === 'bigint' ? value : BigInt(value as number));

/** The values that are not null, in the writer's form. */
export const CONVERTERS: Readonly<Record<ColumnDatatype, (value: unknown) => unknown>> = {
  BOOL: (value) => value === true || Number(value) === 1,
  INT8: toNumber,
  INT16: toNumber,
  INT32: toNumber,
  INT64: toBigInt,
  UINT8: toNumber,
  UINT16: toNumber,
  UINT32: toNumber,
  UINT64: toBigInt,
  FP32: toNumber,
  FP64: toNumber,
  BYTES: plainText,
  JSON: plainText,
};

/** The value as text: text as it is, other values as in JSON but without quotes. */
export function plainText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof ExactValue) return value.toString();
  if (Buffer.isBuffer(value)) return binaryText(value);
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  return jsonText(value);
}
