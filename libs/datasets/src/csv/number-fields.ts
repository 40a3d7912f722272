import { numberOf } from '../mapping/element-writers.ts';

const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const NINE = 57;
/** Up to so many digits a number's digits are a whole number that a double holds exactly. */
const EXACT_DIGITS = 15;
/** Powers of ten that a double holds exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/** What is wanted of each field of a record, in the header's order: a number's place, a text's (-2, -3, … for 0, 1, …), or nothing. */
export type FieldPlan = Int32Array;

export const SKIPPED = -1;

/** The entry of a FieldPlan for the `place`-th text. */
export function textPlace(place: number): number {
  return -2 - place;
}

/**
 * Reads a record's numbers out of its bytes, without making text of them: the bulk of what there is to do for a dataset of numbers, which
 * this does in a fifth of the time (measured). For records without quotes. Digits of up to 15 places divided by an exact power of ten are
 * rounded once, as JavaScript rounds; everything else (exponents, spaces, more digits) is left to JavaScript, field by field.
 *
 * False where a field is no number or there are not as many fields as planned: such a record is to be read anew, to say why.
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
