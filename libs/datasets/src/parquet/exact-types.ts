import {
  TIME_UNITS,
  ExactValue,
  signedInteger,
  uuidText,
  type ExactType,
  type TimeUnit,
} from '../values/exact-value.ts';
import type { DecodedArray, SchemaElement } from './hyparquet-parts.ts';
import { plainText } from './plain-values.ts';

/** Julian day number of 1970-01-01. */
const EPOCH_JULIAN_DAY = 2_440_588n;
const NANOSECONDS_OF_DAY = 86_400_000_000_000n;
const UNITS: Readonly<Record<string, TimeUnit>> = { MILLIS: 'ms', MICROS: 'us', NANOS: 'ns' };
/** Most digits of a decimal that we write: Arrow has no wider ones. */
const MAX_PRECISION = 76;

/** The exact type of a stored column that no tensor has. */
export function exactTypeOf(element: SchemaElement): ExactType | undefined {
  const { type, converted_type: converted, logical_type: logical, type_length: width } = element;
  if (logical?.type === 'DECIMAL') return { kind: 'decimal', precision: logical.precision, scale: logical.scale };
  if (converted === 'DECIMAL') {
    return { kind: 'decimal', precision: element.precision ?? 0, scale: element.scale ?? 0 };
  }
  switch (type) {
    case 'INT32':
    case 'INT64':
      return timeTypeOf(element);
    case 'INT96':
      return { kind: 'timestamp', unit: 'ns', exceeds64Bits: true };
    case 'FIXED_LEN_BYTE_ARRAY':
      if (logical?.type === 'FLOAT16') return undefined;
      return logical?.type === 'UUID' && width === 16 ? { kind: 'uuid' } : { kind: 'binary', width };
    case 'BYTE_ARRAY':
      return { kind: 'binary' };
    default:
      return undefined;
  }
}

function timeTypeOf({ type, converted_type: converted, logical_type: logical }: SchemaElement): ExactType | undefined {
  switch (logical?.type) {
    case 'DATE':
      return { kind: 'date' };
    case 'TIME':
      return { kind: 'time', unit: UNITS[logical.unit] ?? 'ms' };
    case 'TIMESTAMP': {
      const unit = UNITS[logical.unit] ?? 'ms';
      return logical.isAdjustedToUTC ? { kind: 'timestamp', unit, zone: 'UTC' } : { kind: 'timestamp', unit };
    }
  }
  // The older annotations do not say whether values are instants: other readers take them as times without a zone.
  if (converted === 'DATE') return { kind: 'date' };
  if (converted === 'TIME_MILLIS' || converted === 'TIMESTAMP_MILLIS') {
    return { kind: converted === 'TIME_MILLIS' ? 'time' : 'timestamp', unit: 'ms' };
  }
  if (type === 'INT64' && (converted === 'TIME_MICROS' || converted === 'TIMESTAMP_MICROS')) {
    return { kind: converted === 'TIME_MICROS' ? 'time' : 'timestamp', unit: 'us' };
  }
  return undefined;
}

/** Stored values as exact values, UUIDs as text, bytes as Buffers. */
export function exactValues(type: ExactType, element: SchemaElement, values: DecodedArray): unknown[] {
  const stored = values as ArrayLike<unknown>;
  switch (type.kind) {
    case 'uuid':
      return Array.from(stored, (value) => uuidText(value as Uint8Array));
    case 'binary':
      return Array.from(stored, (value) => (value instanceof Uint8Array ? bufferOf(value) : value));
    default: {
      const ticksOf = element.type === 'INT96' ? int96Ticks : integerTicks;
      return Array.from(stored, (value) => new ExactValue(type, ticksOf(value)));
    }
  }
}

function integerTicks(value: unknown): bigint {
  return value instanceof Uint8Array ? signedInteger(value) : BigInt(value as number);
}

/** The day in the upper 32 bits, the nanoseconds of the day in the lower 64. */
function int96Ticks(value: unknown): bigint {
  const bits = value as bigint;
  return (BigInt.asIntN(32, bits >> 64n) - EPOCH_JULIAN_DAY) * NANOSECONDS_OF_DAY + BigInt.asIntN(64, bits);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** How a column of an exact type is stored in Parquet. */
export interface ExactStorage {
  readonly element: Partial<SchemaElement>;
  /** A value that is not null, in the writer's form. */
  readonly convert: (value: unknown) => unknown;
}

/** Undefined if Parquet has no such type: then the column is text. */
export function exactStorage(type: ExactType | undefined): ExactStorage | undefined {
  switch (type?.kind) {
    case undefined:
      return undefined;
    case 'decimal':
      return decimalStorage(type);
    case 'date':
      return { element: { type: 'INT32', converted_type: 'DATE', logical_type: { type: 'DATE' } }, convert: days };
    case 'time': {
      const { unit, factor } = storedUnit(type.unit);
      const logical = { type: 'TIME', isAdjustedToUTC: false, unit } as const;
      return unit === 'MILLIS'
        ? { element: { type: 'INT32', logical_type: logical }, convert: (value) => Number(ticks(value) * factor) }
        : { element: { type: 'INT64', logical_type: logical }, convert: ticks };
    }
    case 'timestamp': {
      if (type.exceeds64Bits === true) return undefined;
      const { unit, factor } = storedUnit(type.unit);
      const logical = { type: 'TIMESTAMP', isAdjustedToUTC: type.zone !== undefined, unit } as const;
      return { element: { type: 'INT64', logical_type: logical }, convert: (value) => ticks(value) * factor };
    }
    case 'duration':
      return { element: { type: 'INT64' }, convert: ticks };
    case 'uuid':
      return {
        element: { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: { type: 'UUID' } },
        convert: (value) => value,
      };
    case 'binary': {
      const { width = 0 } = type;
      const element: Partial<SchemaElement> =
        width > 0 ? { type: 'FIXED_LEN_BYTE_ARRAY', type_length: width } : { type: 'BYTE_ARRAY' };
      return { element, convert: bytesOf };
    }
  }
}

function decimalStorage({ precision, scale }: Extract<ExactType, { kind: 'decimal' }>): ExactStorage | undefined {
  if (precision < 1 || precision > MAX_PRECISION || scale < 0 || scale > precision) return undefined;
  const annotation = {
    converted_type: 'DECIMAL',
    logical_type: { type: 'DECIMAL', precision, scale },
    precision,
    scale,
  } as const;
  if (precision <= 18) return { element: { ...annotation, type: precision <= 9 ? 'INT32' : 'INT64' }, convert: ticks };
  // The bits of the largest value, and the sign.
  const bits = (10n ** BigInt(precision)).toString(2).length + 1;
  return {
    element: { ...annotation, type: 'FIXED_LEN_BYTE_ARRAY', type_length: Math.ceil(bits / 8) },
    convert: ticks,
  };
}

/** Parquet has no seconds. */
function storedUnit(unit: TimeUnit): { readonly unit: 'MILLIS' | 'MICROS' | 'NANOS'; readonly factor: bigint } {
  const units = ['MILLIS', 'MILLIS', 'MICROS', 'NANOS'] as const;
  return { unit: units[TIME_UNITS.indexOf(unit)] ?? 'NANOS', factor: unit === 's' ? 1_000n : 1n };
}

function ticks(value: unknown): bigint {
  return value instanceof ExactValue ? value.ticks : BigInt(value as bigint);
}

function days(value: unknown): number {
  return Number(ticks(value));
}

function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(plainText(value));
}
