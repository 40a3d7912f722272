import type { ColumnValues } from '../row-block.ts';
import type { ArrowType, TimeUnit } from './arrow-schema.ts';
import type { BatchBody } from './batch-body.ts';
import type { ColumnLayout } from './column-layout.ts';

/** A range of rows of a column. */
export interface Rows {
  readonly from: number;
  readonly to: number;
}

const INTEGERS = {
  '8': [Int8Array, Uint8Array],
  '16': [Int16Array, Uint16Array],
  '32': [Int32Array, Uint32Array],
  '64': [BigInt64Array, BigUint64Array],
} as const;

const FLOATS = { '16': Float16Array, '32': Float32Array, '64': Float64Array } as const;

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
  if (type.kind === 'fixed_bytes') {
    const { width } = type;
    const bytes = await body.slice(data, from * width, to * width);
    return Array.from({ length: count }, (_, row) => bytes.subarray(row * width, (row + 1) * width));
  }
  const bits = type.kind === 'timestamp' ? 64 : type.bits;
  const width = bits / 8;
  const bytes = await body.slice(data, from * width, to * width, Math.min(width, 8));
  switch (type.kind) {
    case 'int':
      return elementsOf(INTEGERS[String(bits) as keyof typeof INTEGERS][type.signed ? 0 : 1], bytes, count);
    case 'ticks':
      return elementsOf(bits === 32 ? Int32Array : BigInt64Array, bytes, count);
    case 'float':
      return elementsOf(FLOATS[String(bits) as keyof typeof FLOATS], bytes, count);
    case 'decimal':
      return Array.from({ length: count }, (_, row) => decimal(bytes, row * width, { width, scale: type.scale }));
    case 'date':
      return Array.from(elementsOf(bits === 32 ? Int32Array : BigInt64Array, bytes, count), (value) =>
        bits === 32 ? new Date(Number(value) * 86_400_000) : new Date(Number(value)),
      );
    case 'timestamp':
      return Array.from(elementsOf(BigInt64Array, bytes, count) as BigInt64Array, (value) => dateOf(value, type.unit));
  }
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

function decimal(bytes: Uint8Array, at: number, { width, scale }: { width: number; scale: number }): number {
  let value = 0n;
  for (let index = at + width - 1; index >= at; index--) value = (value << 8n) | BigInt(bytes[index] ?? 0);
  return Number(BigInt.asIntN(width * 8, value)) / 10 ** scale;
}

/** A date from seconds, milliseconds, microseconds or nanoseconds since 1970. */
function dateOf(value: bigint, unit: TimeUnit): Date {
  if (unit === 0) return new Date(Number(value) * 1000);
  return new Date(Number(value / 1000n ** BigInt(unit - 1)));
}
