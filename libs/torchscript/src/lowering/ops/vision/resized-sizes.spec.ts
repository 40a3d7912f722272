import { describe, expect, it } from 'vitest';

import { mulDims, freeAxis, symbol } from '../../../symbolic/sym-int.ts';
import { isPowerOfTwo, ratio } from './resized-sizes.ts';

const size = symbol(freeAxis('x', 2));

describe('ratio', () => {
  it.each([
    ['numbers', 4, 6, 1.5],
    ['a doubled free size', size, mulDims(size, 2), 2],
    ['half of a free size', mulDims(size, 2), size, 0.5],
    ['a free size and a number', size, 6, undefined],
  ] as const)('of %s', (_, from, to, expected) => {
    expect(ratio(from, to)).toBe(expected);
  });
});

describe('isPowerOfTwo', () => {
  it.each([
    [1, true],
    [4, true],
    [0.25, true],
    [3, false],
    [1.5, false],
    [undefined, false],
  ])('%s: %s', (factor, expected) => {
    expect(isPowerOfTwo(factor)).toBe(expected);
  });
});
