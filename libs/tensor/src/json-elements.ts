import { toBfloat16Bits } from './bfloat16.ts';
import { encodeBytes } from './bytes-elements.ts';
import type { Datatype, FixedDatatype } from './datatype.ts';
import { wordNumber } from './json-words.ts';
import type { NonFinite } from './oip-json.ts';
import { allocateView, bytesOf, type ViewByDatatype } from './typed-view.ts';

type Leaves = readonly (readonly unknown[])[];

/** The JSON elements that each datatype accepts, as error messages describe them. */
export const ELEMENT_TEXT: Readonly<Record<Datatype, string>> = {
  BOOL: 'true or false',
  UINT8: 'whole numbers from 0 to 255',
  UINT16: 'whole numbers from 0 to 65535',
  UINT32: 'whole numbers from 0 to 4294967295',
  UINT64: 'whole numbers from 0 to 18446744073709551615, written as plain digits',
  INT8: 'whole numbers from -128 to 127',
  INT16: 'whole numbers from -32768 to 32767',
  INT32: 'whole numbers from -2147483648 to 2147483647',
  INT64: 'whole numbers from -9223372036854775808 to 9223372036854775807, written as plain digits',
  FP16: 'finite numbers from -65504 to 65504, NaN, Infinity and -Infinity',
  BF16: 'finite numbers from -3.3895e38 to 3.3895e38, NaN, Infinity and -Infinity',
  FP32: 'finite numbers from -3.4028e38 to 3.4028e38, NaN, Infinity and -Infinity',
  FP64: 'finite numbers from -1.7976e308 to 1.7976e308, NaN, Infinity and -Infinity',
  BYTES: 'strings of well-formed Unicode',
};

/**
 * Converts arrays of JSON elements, which together hold `count` elements in order, to the data of a tensor. If the
 * datatype cannot hold an element, returns the flat index of the first such element instead. The functions below are
 * plain loops without closures, because a request may have millions of elements.
 */
export function writeElements(
  datatype: Datatype,
  leaves: Leaves,
  options: { readonly count: number; readonly nonFinite: NonFinite },
): Uint8Array | number {
  const { count, nonFinite } = options;
  if (datatype === 'BYTES') return writeStrings(leaves);
  const view = allocateView(datatype, count);
  const wrong = writeInto(datatype, leaves, { view, from: 0, nonFinite });
  return wrong < 0 ? bytesOf(view) : wrong;
}

/**
 * Writes JSON elements into the typed array of a datatype, from the index `from` on. Returns -1, or the index of the first
 * element that the datatype cannot hold.
 */
export function writeInto(
  datatype: FixedDatatype,
  leaves: Leaves,
  options: { readonly view: ViewByDatatype[FixedDatatype]; readonly from: number; readonly nonFinite: NonFinite },
): number {
  const { view, from, nonFinite } = options;
  switch (datatype) {
    case 'BOOL':
      return writeBooleans(leaves, view as Uint8Array, from);
    case 'UINT8':
      return writeIntegers(leaves, view as Uint8Array, { from, min: 0, max: 0xff });
    case 'UINT16':
      return writeIntegers(leaves, view as Uint16Array, { from, min: 0, max: 0xffff });
    case 'UINT32':
      return writeIntegers(leaves, view as Uint32Array, { from, min: 0, max: 0xffff_ffff });
    case 'INT8':
      return writeIntegers(leaves, view as Int8Array, { from, min: -0x80, max: 0x7f });
    case 'INT16':
      return writeIntegers(leaves, view as Int16Array, { from, min: -0x8000, max: 0x7fff });
    case 'INT32':
      return writeIntegers(leaves, view as Int32Array, { from, min: -0x8000_0000, max: 0x7fff_ffff });
    case 'UINT64':
      return writeLongIntegers(leaves, view as BigUint64Array, { from, min: 0n, max: 2n ** 64n - 1n });
    case 'INT64':
      return writeLongIntegers(leaves, view as BigInt64Array, { from, min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'FP16':
    case 'FP32':
    case 'FP64':
      return writeFloats(leaves, view as Float16Array | Float32Array | Float64Array, { from, nonFinite });
    case 'BF16':
      return writeBfloats(leaves, view as Uint16Array, { from, nonFinite });
  }
}

interface Range<T> {
  readonly from: number;
  readonly min: T;
  readonly max: T;
}

interface Floats {
  readonly from: number;
  readonly nonFinite: NonFinite;
}

function writeIntegers(
  leaves: Leaves,
  out: Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Int32Array,
  { from, min, max }: Range<number>,
): number {
  let at = from;
  for (const leaf of leaves) {
    for (let index = 0; index < leaf.length; index++, at++) {
      const value = leaf[index];
      if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) return at;
      out[at] = value;
    }
  }
  return -1;
}

function writeLongIntegers(
  leaves: Leaves,
  out: BigInt64Array | BigUint64Array,
  { from, min, max }: Range<bigint>,
): number {
  // A safe integer is written as two 32-bit halves. A bigint for each element would cost an allocation.
  const halves = new Uint32Array(out.buffer, out.byteOffset, out.length * 2);
  const signed = min < 0n;
  let at = from;
  for (const leaf of leaves) {
    for (let index = 0; index < leaf.length; index++, at++) {
      const value = leaf[index];
      if (typeof value === 'number') {
        // A number above 2^53 was written with a point or an exponent here, so its exact value is not known.
        if (!Number.isSafeInteger(value) || (value < 0 && !signed)) return at;
        halves[at * 2] = value >>> 0;
        halves[at * 2 + 1] = Math.floor(value / 2 ** 32);
      } else if (typeof value === 'bigint' && value >= min && value <= max) {
        out[at] = value;
      } else {
        return at;
      }
    }
  }
  return -1;
}

function writeFloats(
  leaves: Leaves,
  out: Float16Array | Float32Array | Float64Array,
  { from, nonFinite }: Floats,
): number {
  let at = from;
  for (const leaf of leaves) {
    for (let index = 0; index < leaf.length; index++, at++) {
      const value = leaf[index];
      out[at] = typeof value === 'number' ? value : toNumber(value);
      if (!Number.isFinite(out[at]) && !isAllowed(value, nonFinite)) return at;
    }
  }
  return -1;
}

function writeBfloats(leaves: Leaves, out: Uint16Array, { from, nonFinite }: Floats): number {
  let at = from;
  for (const leaf of leaves) {
    for (let index = 0; index < leaf.length; index++, at++) {
      const value = leaf[index];
      const word = toBfloat16Bits(typeof value === 'number' ? value : toNumber(value));
      // All exponent bits are set: the value is NaN or infinite.
      if ((word & 0x7f80) === 0x7f80 && !isAllowed(value, nonFinite)) return at;
      out[at] = word;
    }
  }
  return -1;
}

/** Converts an element that is not a JSON number: a bigint and a word to its number, null and everything else to NaN. */
function toNumber(value: unknown): number {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'string' ? (wordNumber(value) ?? NaN) : NaN;
}

/** Tells whether an element that became NaN or infinite stands for that value. If not, it overflowed the datatype. */
function isAllowed(value: unknown, nonFinite: NonFinite): boolean {
  if (typeof value === 'string') return wordNumber(value) !== undefined;
  return nonFinite === 'allow' && (value === null || (typeof value === 'number' && !Number.isFinite(value)));
}

function writeBooleans(leaves: Leaves, out: Uint8Array, from: number): number {
  let at = from;
  for (const leaf of leaves) {
    for (let index = 0; index < leaf.length; index++, at++) {
      const value = leaf[index];
      if (typeof value !== 'boolean') return at;
      out[at] = value ? 1 : 0;
    }
  }
  return -1;
}

function writeStrings(leaves: Leaves): Uint8Array | number {
  const elements: string[] = [];
  for (const leaf of leaves) {
    for (const value of leaf) {
      // A lone surrogate has no UTF-8 form. Encoding would replace it by another character without an error.
      if (typeof value !== 'string' || !value.isWellFormed()) return elements.length;
      elements.push(value);
    }
  }
  return encodeBytes(elements);
}
