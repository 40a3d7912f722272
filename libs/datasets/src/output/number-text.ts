/** FP32 represents every whole number up to this one. */
const MAX_WHOLE = 2 ** 24;

/** The shortest text of 7 to 9 digits that gives the same FP32 value, without zeros at the end. */
export function float32Text(value: number): string {
  if (Number.isInteger(value) && value < MAX_WHOLE && value > -MAX_WHOLE)
    return Object.is(value, -0) ? '-0' : String(value);
  if (!Number.isFinite(value)) return String(value);
  let text = value.toPrecision(7);
  if (Math.fround(+text) !== value) {
    text = value.toPrecision(8);
    if (Math.fround(+text) !== value) text = value.toPrecision(9);
  }
  return withoutZeros(text);
}

function withoutZeros(text: string): string {
  if (text.includes('e')) return String(Number(text));
  let end = text.length;
  if (text.charCodeAt(end - 1) !== 48) return text;
  while (text.charCodeAt(end - 1) === 48) end -= 1;
  return text.slice(0, text.charCodeAt(end - 1) === 46 ? end - 1 : end);
}
