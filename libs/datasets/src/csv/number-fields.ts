import { numberOf } from '../mapping/element-writers.ts';

const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const NINE = 57;
/** A double represents a whole number with at most this many digits exactly. */
const EXACT_DIGITS = 15;
/** Powers of ten that a double represents exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/** What to do with each field of a record, in the header's order: the index of a number, the index of a text (-2, -3, … for 0, 1, …), or skip. */
export type FieldPlan = Int32Array;

export const SKIPPED = -1;

/** The entry of a FieldPlan for the `place`-th text. */
export function textPlace(place: number): number {
  return -2 - place;
}

/**
 * Reads the numbers of a record without quotes directly from its bytes. This is most of the work for a dataset of numbers, and takes a fifth
 * of the time of reading text (measured). Up to 15 digits divided by an exact power of ten are rounded once, as JavaScript does. JavaScript
 * itself reads all other fields (exponents, spaces, more digits).
 *
 * False if a field is not a number or the number of fields is wrong. The caller then reads the record again to find the reason.
 */
export function readNumberFields(
  bytes: Buffer,
  span: { readonly start: number; readonly end: number },
  into: {
    readonly plan: FieldPlan;
    readonly delimiter: number;
    readonly numbers: Float32Array;
    readonly at: number;
    readonly texts: string[];
  },
): boolean {
  const { plan, delimiter, numbers, at, texts } = into;
  const { end } = span;
  const last = plan.length - 1;
  let place = span.start;
  for (let field = 0; field <= last; field++) {
    const wanted = plan[field] ?? SKIPPED;
    const from = place;
    if (wanted >= 0) {
      const negative = bytes[place] === MINUS;
      if (negative) place += 1;
      let digits = 0;
      let mantissa = 0;
      let scale = 0;
      let byte = place < end ? (bytes[place] ?? 0) : 0;
      const firstDigit = place;
      while (byte >= ZERO && byte <= NINE) {
        mantissa = mantissa * 10 + (byte - ZERO);
        place += 1;
        byte = place < end ? (bytes[place] ?? 0) : 0;
      }
      digits = place - firstDigit;
      if (byte === POINT) {
        place += 1;
        const firstDecimal = place;
        byte = place < end ? (bytes[place] ?? 0) : 0;
        while (byte >= ZERO && byte <= NINE) {
          mantissa = mantissa * 10 + (byte - ZERO);
          place += 1;
          byte = place < end ? (bytes[place] ?? 0) : 0;
        }
        scale = place - firstDecimal;
        digits += scale;
      }
      let value: number;
      if (digits > 0 && digits <= EXACT_DIGITS && (place === end || byte === delimiter)) {
        value = scale === 0 ? mantissa : mantissa / (POWERS[scale] ?? 1);
        if (negative) value = -value;
      } else {
        place = endOfField(bytes, place, { end, delimiter });
        const read = numberOf(bytes.toString('latin1', from, place));
        if (read === undefined) return false;
        value = read;
      }
      numbers[at + wanted] = value;
      if (!Number.isFinite(numbers[at + wanted])) return false;
    } else {
      place = endOfField(bytes, place, { end, delimiter });
      if (wanted !== SKIPPED) texts[-2 - wanted] = bytes.toString('utf8', from, place);
    }
    if (field === last) return place === end;
    if (place >= end) return false;
    place += 1;
  }
  return false;
}

function endOfField(bytes: Buffer, from: number, { end, delimiter }: { end: number; delimiter: number }): number {
  let place = from;
  while (place < end && bytes[place] !== delimiter) place += 1;
  return place;
}
