import { HalfArray, allocateView, toBfloat16Bits, type FixedDatatype } from '@sconce/tensor';
import { shown } from '../dataset-error.ts';
import { ExactValue } from '../values/exact-value.ts';
import { isMissing } from './missing-values.ts';
import { plainNumber, type NumberFormat } from './number-format.ts';

/** A typed array for the elements of a tensor. */
export type ElementArray =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float16Array
  | Float32Array
  | Float64Array;

const RANGES: Readonly<Partial<Record<FixedDatatype, readonly [number, number]>>> = {
  UINT8: [0, 0xff],
  UINT16: [0, 0xffff],
  UINT32: [0, 0xffff_ffff],
  INT8: [-0x80, 0x7f],
  INT16: [-0x8000, 0x7fff],
  INT32: [-0x8000_0000, 0x7fff_ffff],
};

const BIG_RANGES = {
  UINT64: [0n, 2n ** 64n - 1n],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

/** How cells become elements. */
export interface ElementOptions {
  /** Whether NaN and infinities are allowed. If not, a row that has one is a bad row. */
  readonly allowNonFinite: boolean;
  /** What stands for a missing value; absent if a row with a missing value is a bad row. */
  readonly missing?: number | string | undefined;
  /** How numbers in text are written; absent for `1234.5`. */
  readonly numbers?: NumberFormat | undefined;
}

/** Elements that are zero. */
export function elementsOf(datatype: FixedDatatype, count: number): ElementArray {
  return allocateView(datatype, count);
}

/** The array that gets elements. */
export interface ElementTarget {
  readonly datatype: FixedDatatype;
  readonly out: ElementArray;
  readonly options: ElementOptions;
}

/**
 * Writes one value as an element: a number, or text that is a number. Returns why the value is wrong, or undefined.
 * Text is read like a number in JavaScript, except `0x…`, `0b…` and `0o…`. Spaces around it are ignored.
 */
export function writeElement(
  { datatype, out, options }: ElementTarget,
  at: number,
  given: unknown,
): string | undefined {
  let value = given instanceof ExactValue ? given.element : given;
  if (options.missing !== undefined && isMissing(value)) {
    value = options.missing;
    if (typeof value === 'number' && Number.isNaN(value)) {
      if (!isFloat(datatype)) return `no value, and ${datatype} has no NaN that could stand for it`;
      out[at] = datatype === 'BF16' ? toBfloat16Bits(NaN) : NaN;
      return undefined;
    }
  }
  if (options.numbers !== undefined && typeof value === 'string') {
    const plain = plainNumber(value, options.numbers);
    if (plain === undefined && numberOf(value) !== undefined) return wrong(value, 'a number of the format in "csv"');
    value = plain ?? value;
  }
  switch (datatype) {
    case 'BOOL': {
      const bit = toBoolean(value);
      if (bit === undefined) return wrong(value, 'true or false');
      out[at] = bit;
      return undefined;
    }
    case 'INT64':
    case 'UINT64': {
      const big = toBigInt(value);
      const [min, max] = BIG_RANGES[datatype];
      if (big === undefined || big < min || big > max) return wrong(value, `a whole number that fits ${datatype}`);
      (out as BigInt64Array)[at] = big;
      return undefined;
    }
    case 'FP16':
    case 'FP32':
    case 'FP64':
    case 'BF16':
      return writeFloat(out as Float32Array, at, value, { datatype, options });
    default: {
      const number = toNumber(value);
      const [min, max] = RANGES[datatype] ?? [0, 0];
      if (number === undefined || !Number.isInteger(number) || number < min || number > max) {
        return wrong(value, `a whole number from ${min} to ${max}`);
      }
      out[at] = number;
      return undefined;
    }
  }
}

/**
 * Writes all values at once if they are a typed array of the same type, or numbers for a tensor of floats. False if they are not, or if a
 * value needs a closer check.
 */
export function copyElements({ datatype, out, options }: ElementTarget, values: ArrayLike<unknown>): boolean {
  if (!ArrayBuffer.isView(values) || datatype === 'BOOL' || datatype === 'BF16') return false;
  const floats = out instanceof Float32Array || out instanceof Float64Array || out instanceof HalfArray;
  const numbers = !(values instanceof BigInt64Array || values instanceof BigUint64Array);
  const same = values.constructor === out.constructor;
  // NaN is a missing value.
  const keepsNaN = options.allowNonFinite && options.missing === undefined;
  if (!same && !(floats && numbers)) return false;
  (out as Float32Array).set(values as unknown as Float32Array);
  return !floats || (same && keepsNaN) || allFinite(out);
}

function isFloat(datatype: FixedDatatype): boolean {
  return datatype === 'FP32' || datatype === 'FP64' || datatype === 'FP16' || datatype === 'BF16';
}

function allFinite(values: ArrayLike<number>): boolean {
  // A number times 0 is 0, except NaN and infinities: they give NaN, which stays in the sum.
  let sum = 0;
  for (let left = values.length; left > 0; left--) sum += (values[left - 1] ?? 0) * 0;
  return sum === 0;
}

function writeFloat(
  out: Float32Array,
  at: number,
  value: unknown,
  { datatype, options }: { readonly datatype: FixedDatatype; readonly options: ElementOptions },
): string | undefined {
  const number = toNumber(value) ?? (options.allowNonFinite ? nonFinite(value) : undefined);
  if (number === undefined) {
    const special = nonFinite(value);
    return special === undefined ? wrong(value, `a number (${datatype})`) : `${shown(value)} is not a finite number`;
  }
  if (!Number.isFinite(number)) {
    if (!options.allowNonFinite) return `${number} is not a finite number`;
    out[at] = datatype === 'BF16' ? toBfloat16Bits(number) : number;
    return undefined;
  }
  if (datatype === 'BF16') {
    const bits = toBfloat16Bits(number);
    if ((bits & 0x7f80) === 0x7f80) return `${shown(value)} is too large for BF16`;
    out[at] = bits;
    return undefined;
  }
  out[at] = number;
  return Number.isFinite(out[at]) ? undefined : `${shown(value)} is too large for ${datatype}`;
}

/** The value as a number, including infinities and NaN of typed columns; undefined if it is not a number. */
function toNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') return numberOf(value);
  if (typeof value === 'bigint') return Number(value);
  return undefined;
}

/** The value of a decimal number in text; undefined if it is not one. */
export function numberOf(text: string): number | undefined {
  const number = +text;
  if (number === 0) {
    if (isBlank(text)) return undefined;
  } else if (!Number.isFinite(number)) {
    return undefined;
  }
  return isRadix(text) ? undefined : number;
}

/** `0x10`, `0b1`, `0o7`: JavaScript reads these as numbers, but in a dataset they are most likely ids. */
function isRadix(text: string): boolean {
  return text.length > 2 && text.charCodeAt(0) === 48 && text.charCodeAt(1) > 57 && /^0[xob]/i.test(text);
}

function isBlank(text: string): boolean {
  return text.length === 0 || (text.charCodeAt(0) <= 32 && text.trim() === '');
}

function nonFinite(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const match = /^\s*([+-]?)(nan|inf(?:inity)?)\s*$/i.exec(value);
  if (match === null) return undefined;
  if (match[2]?.toLowerCase() === 'nan') return NaN;
  return match[1] === '-' ? -Infinity : Infinity;
}

const BOOLEANS: ReadonlyMap<string, 0 | 1> = new Map([
  ...['true', '1', 'yes', 'y', 't', 'on'].map((text) => [text, 1] as const),
  ...['false', '0', 'no', 'n', 'f', 'off'].map((text) => [text, 0] as const),
]);

function toBoolean(value: unknown): 0 | 1 | undefined {
  if (value === true || value === 1 || value === 1n) return 1;
  if (value === false || value === 0 || value === 0n) return 0;
  if (typeof value !== 'string') return undefined;
  const text = value.trim().toLowerCase();
  return BOOLEANS.get(text);
}

function toBigInt(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (/^[+-]?\d{1,20}$/.test(text)) return BigInt(text.startsWith('+') ? text.slice(1) : text);
  const number = numberOf(text);
  return number !== undefined && Number.isSafeInteger(number) ? BigInt(number) : undefined;
}

function wrong(value: unknown, expected: string): string {
  const missing = value === undefined || value === null || (typeof value === 'string' && isBlank(value));
  return missing ? `no value; expected ${expected}` : `${shown(value)}; expected ${expected}`;
}
