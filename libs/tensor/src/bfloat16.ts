const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * Rounds a number to the nearest bfloat16 (the upper half of a float32), ties to even. Returns its 16 bits.
 * NaN becomes the quiet NaN, and numbers beyond the range become infinity.
 */
export function toBfloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const rounded = Math.fround(value);
  float[0] = rounded;
  let word = bits[0] ?? 0;
  if (rounded !== value) {
    // Two roundings, first to float32 and then to bfloat16, can decide a tie wrongly. So the first one rounds to odd:
    // it truncates towards zero and sets the last bit, which tells the second rounding that the value was not exact.
    if (Math.abs(rounded) > Math.abs(value)) word -= 1;
    word = (word | 1) >>> 0;
  }
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

/** The exact value of a bfloat16, given by its 16 bits. */
export function fromBfloat16Bits(word: number): number {
  bits[0] = word << 16;
  return float[0] ?? 0;
}
