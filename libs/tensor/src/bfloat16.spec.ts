import { describe, expect, it } from 'vitest';
import { fromBfloat16Bits, toBfloat16Bits } from './index.ts';

describe('bfloat16', () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3f80],
    [-2, 0xc000],
    [Infinity, 0x7f80],
    [-Infinity, 0xff80],
    [NaN, 0x7fc0],
    // 1 + 2^-8 is half way between 1 and 1 + 2^-7 and rounds down to even. 1 + 3·2^-8 rounds up to even.
    [1 + 2 ** -8, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3f82],
    // These values differ from half way by less than a float32 can hold, so rounding through float32 would be wrong.
    [1 + 2 ** -8 + 2 ** -40, 0x3f81],
    [1 + 3 * 2 ** -8 - 2 ** -40, 0x3f81],
    [-(1 + 2 ** -8 + 2 ** -40), 0xbf81],
    [3.3895313892515355e38, 0x7f7f],
    [3.4e38, 0x7f80],
    [1e300, 0x7f80],
    [1e-300, 0x0000],
  ])('rounds %d to 0x%s', (value, word) => {
    expect(toBfloat16Bits(value)).toBe(word);
  });

  it('gives every bit pattern except NaN back', () => {
    for (let word = 0; word < 0x10000; word++) {
      const value = fromBfloat16Bits(word);
      if (!Number.isNaN(value)) expect(toBfloat16Bits(value)).toBe(word);
    }
  });
});
