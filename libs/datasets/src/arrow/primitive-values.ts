import { SconceError } from '@sconce/errors';
import { HalfArray } from '@sconce/tensor';
import type { ColumnValues } from '../row-block.ts';
import { ExactValue, uuidText } from '../values/exact-value.ts';
import { exactTypeOf, type ArrowType } from './arrow-schema.ts';
import type { BatchBody } from './batch-body.ts';
import type { ColumnLayout } from './column-layout.ts';

/** A range of rows of a column. */
export interface Rows {
  readonly from: number;
  readonly to: number;
}

const UUID_BYTES = 16;
const MILLISECONDS_OF_DAY = 86_400_000n;

const INTEGERS = {
  '8': [Int8Array, Uint8Array],
  '16': [Int16Array, Uint16Array],
  '32': [Int32Array, Uint32Array],
  '64': [BigInt64Array, BigUint64Array],
} as const;

const FLOATS = { '16': HalfArray, '32': Float32Array, '64': Float64Array } as const;

type Elements = new (buffer: ArrayBufferLike, offset: number, length: number) => ColumnValues;

/** One bit per row, set if the row is not null; undefined if no row is null. */
export async function readValidity(
  { nulls, buffer }: ColumnLayout,
  body: BatchBody,
  from: number,
  to: number,
): Promise<boolean[] | undefined> {
  // A writer that does not count nulls writes -1.
  if (nulls === 0 || body.sizeOf(buffer) === 0) return undefined;
  return readBits(body, buffer, { from, to });
}

/** The values with null at null rows. */
export function withNulls(values: ColumnValues, valid: readonly boolean[]): unknown[] {
  return valid.map((isValid, row) => (isValid ? values[row] : null));
}

/** Offsets of rows `from` to `to` and the end of the last row, in ascending order. @throws RangeError if they are not ascending. */
export async function readOffsets(
  body: BatchBody,
  buffer: number,
  { bits, from, to }: Rows & { readonly bits: 32 | 64 },
): Promise<number[]> {
  const bytes = await body.slice(buffer, (from * bits) / 8, ((to + 1) * bits) / 8, bits / 8);
  const offsets = Array.from(
    elementsOf(bits === 32 ? Int32Array : BigInt64Array, bytes, to - from + 1) as ArrayLike<number | bigint>,
    Number,
  );
  let last = 0;
  for (const offset of offsets) {
    if (offset < last) throw new RangeError(`offset ${offset} is less than the previous offset ${last}`);
    last = offset;
  }
  return offsets;
}

/** Numbers, and types that are stored as numbers. */
export async function numbers(
  type: Exclude<ArrowType, { kind: 'null' | 'other' | 'bytes' | 'list' | 'fixed_list' | 'struct' | 'map' }>,
  column: ColumnLayout,
  body: BatchBody,
  { from, to }: Rows,
): Promise<ColumnValues> {
  const data = column.buffer + 1;
  const count = to - from;
  if (type.kind === 'bool') return readBits(body, data, { from, to });
  if (type.kind === 'fixed_bytes' || type.kind === 'uuid') {
    const width = type.kind === 'uuid' ? UUID_BYTES : type.width;
    const bytes = bufferOf(await body.slice(data, from * width, to * width));
    const values = Array.from({ length: count }, (_, row) => bytes.subarray(row * width, (row + 1) * width));
    return type.kind === 'uuid' ? values.map(uuidText) : values;
  }
  const bits = type.kind === 'timestamp' || type.kind === 'duration' ? 64 : type.bits;
  const width = bits / 8;
  const bytes = await body.slice(data, from * width, to * width, Math.min(width, 8));
  switch (type.kind) {
    case 'int':
      return elementsOf(INTEGERS[String(bits) as keyof typeof INTEGERS][type.signed ? 0 : 1], bytes, count);
    case 'float':
      return elementsOf(FLOATS[String(bits) as keyof typeof FLOATS], bytes, count);
    case 'decimal':
      return exactValues(
        type,
        Array.from({ length: count }, (_, row) => wholeNumber(bytes, row * width, width)),
      );
    case 'date': {
      const days = bits === 64 ? MILLISECONDS_OF_DAY : 1n;
      const values = elementsOf(bits === 32 ? Int32Array : BigInt64Array, bytes, count);
      return exactValues(
        type,
        Array.from(values as ArrayLike<number | bigint>, (value) => dividedDown(BigInt(value), days)),
      );
    }
    case 'time':
    case 'duration':
    case 'timestamp': {
      const values = elementsOf(bits === 32 ? Int32Array : BigInt64Array, bytes, count);
      return exactValues(type, Array.from(values as ArrayLike<number | bigint>, BigInt));
    }
  }
}

function exactValues(type: ArrowType, ticks: readonly bigint[]): ExactValue[] {
  const exact = exactTypeOf(type);
  if (exact === undefined || exact.kind === 'uuid' || exact.kind === 'binary') {
    throw new SconceError('internal', `values of ${type.kind} are not whole numbers of a unit`);
  }
  return ticks.map((value) => new ExactValue(exact, value));
}

function dividedDown(value: bigint, by: bigint): bigint {
  return (value - (((value % by) + by) % by)) / by;
}

function elementsOf(Typed: Elements, bytes: Uint8Array, count: number): ColumnValues {
  return count === 0 ? [] : new Typed(bytes.buffer, bytes.byteOffset, count);
}

async function readBits(body: BatchBody, buffer: number, { from, to }: Rows): Promise<boolean[]> {
  const start = Math.floor(from / 8);
  const bytes = await body.slice(buffer, start, Math.ceil(to / 8));
  const bits = new Array<boolean>(to - from);
  for (let row = 0, at = from - start * 8; row < bits.length; row++, at++) {
    bits[row] = (((bytes[at >> 3] ?? 0) >> (at & 7)) & 1) === 1;
  }
  return bits;
}

/** A two's complement number, little-endian. */
function wholeNumber(bytes: Uint8Array, at: number, width: number): bigint {
  let value = 0n;
  for (let index = at + width - 1; index >= at; index--) value = (value << 8n) | BigInt(bytes[index] ?? 0);
  return BigInt.asIntN(width * 8, value);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
