import {
  Binary,
  DateDay,
  Decimal,
  Duration,
  FixedSizeBinary,
  Time,
  TimeUnit as ArrowUnit,
  Timestamp,
  type DataType,
} from 'apache-arrow';
import { isMissing, plainText } from '../parquet/plain-values.ts';
import { ExactValue, type ExactType, type TimeUnit } from '../values/exact-value.ts';
import { UUID_EXTENSION } from './arrow-schema.ts';

const UNITS: Readonly<Record<TimeUnit, ArrowUnit>> = {
  s: ArrowUnit.SECOND,
  ms: ArrowUnit.MILLISECOND,
  us: ArrowUnit.MICROSECOND,
  ns: ArrowUnit.NANOSECOND,
};
const MAX_PRECISION = { narrow: 38, wide: 76 } as const;

/** How a column of an exact type is stored in Arrow. */
export interface ExactColumn {
  readonly type: DataType;
  readonly metadata?: ReadonlyMap<string, string>;
  /** The buffers after the validity bitmap. Missing values have zeros. */
  readonly buffers: (values: readonly unknown[]) => readonly Uint8Array[];
}

/** Undefined if Arrow has no such type: then the column is text. */
export function exactColumn(exact: ExactType | undefined): ExactColumn | undefined {
  switch (exact?.kind) {
    case undefined:
      return undefined;
    case 'decimal': {
      const { precision, scale } = exact;
      if (precision < 1 || precision > MAX_PRECISION.wide) return undefined;
      const bits = precision <= MAX_PRECISION.narrow ? 128 : 256;
      return { type: new Decimal(scale, precision, bits), buffers: ticks(bits) };
    }
    case 'date':
      return { type: new DateDay(), buffers: ticks(32) };
    case 'time': {
      const bits = exact.unit === 's' || exact.unit === 'ms' ? 32 : 64;
      return { type: new Time(UNITS[exact.unit], bits), buffers: ticks(bits) };
    }
    case 'timestamp':
      if (exact.exceeds64Bits === true) return undefined;
      return { type: new Timestamp(UNITS[exact.unit], exact.zone), buffers: ticks(64) };
    case 'duration':
      return { type: new Duration(UNITS[exact.unit]), buffers: ticks(64) };
    case 'uuid':
      return {
        type: new FixedSizeBinary(16),
        metadata: new Map([
          ['ARROW:extension:name', UUID_EXTENSION],
          ['ARROW:extension:metadata', ''],
        ]),
        buffers: fixed(16, (value) => Buffer.from(String(value).replaceAll('-', ''), 'hex')),
      };
    case 'binary': {
      const { width = 0 } = exact;
      return width > 0
        ? { type: new FixedSizeBinary(width), buffers: fixed(width, bytesOf) }
        : { type: new Binary(), buffers: variable };
    }
  }
}

/** Whole numbers of `bits` bits, little-endian. */
function ticks(bits: 32 | 64 | 128 | 256): ExactColumn['buffers'] {
  return (values) => {
    const words = bits / 32;
    const out = new Uint32Array(values.length * words);
    for (const [index, value] of values.entries()) {
      if (!(value instanceof ExactValue)) continue;
      let rest = value.ticks;
      for (let word = 0; word < words; word++, rest >>= 32n) {
        out[index * words + word] = Number(BigInt.asUintN(32, rest));
      }
    }
    return [new Uint8Array(out.buffer)];
  };
}

function fixed(width: number, bytes: (value: unknown) => Uint8Array): ExactColumn['buffers'] {
  return (values) => {
    const out = new Uint8Array(values.length * width);
    for (const [index, value] of values.entries()) if (!isMissing(value)) out.set(bytes(value), index * width);
    return [out];
  };
}

function variable(values: readonly unknown[]): readonly Uint8Array[] {
  const offsets = new Int32Array(values.length + 1);
  const parts = values.map((value) => (isMissing(value) ? new Uint8Array(0) : bytesOf(value)));
  for (const [index, part] of parts.entries()) offsets[index + 1] = (offsets[index] ?? 0) + part.byteLength;
  return [new Uint8Array(offsets.buffer), Buffer.concat(parts)];
}

function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(plainText(value));
}
