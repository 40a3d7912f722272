const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * Rounds a number to bfloat16 (the upper half of a float32), to nearest, ties to even; returns its 16 bits.
 * NaN becomes the quiet NaN; what is too large becomes infinity.
 */
export function toBfloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const rounded = Math.fround(value);
  float[0] = rounded;
  let word = bits[0] ?? 0;
  if (rounded !== value) {
    // Rounding first to float32 and then to bfloat16 can miss a tie. So the step in between rounds to odd: cut towards
    // zero and mark the cut with the last bit, which makes the second rounding see that the value was not exact.
    if (Math.abs(rounded) > Math.abs(value)) word -= 1;
    word = (word | 1) >>> 0;
  }
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

/** The number that 16 bits of bfloat16 stand for; exact. */
export function fromBfloat16Bits(word: number): number {
  bits[0] = word << 16;
  return float[0] ?? 0;
}
