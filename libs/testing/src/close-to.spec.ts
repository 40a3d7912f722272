import { describe, expect, it } from 'vitest';
import { expectClose, maxError, type NumericArray } from './index.ts';

describe('expectClose', () => {
  it.each<[string, NumericArray, NumericArray]>([
    ['float32 within 1.3e-6', new Float32Array([1.000001]), new Float32Array([1])],
    ['float16 within 1e-3', new Float16Array([1.001]), new Float16Array([1])],
    ['near zero, by atol', new Float32Array([5e-6]), new Float32Array([0])],
    ['NaN and infinities in the same places', [NaN, Infinity, -Infinity], [NaN, Infinity, -Infinity]],
    ['equal bigints', new BigInt64Array([2n ** 60n]), new BigInt64Array([2n ** 60n])],
    ['nothing', new Float32Array(0), new Float32Array(0)],
  ])('accepts %s', (_name, actual, expected) => {
    expect(() => expectClose(actual, expected)).not.toThrow();
  });

  it.each<[string, NumericArray, NumericArray, string]>([
    ['a far float32', new Float32Array([0, 1.1]), new Float32Array([0, 1]), 'at [1] of 2'],
    ['an integer off by one', new Int32Array([1, 2]), new Int32Array([1, 3]), 'at [1] of 2'],
    [
      'bigints that are equal as doubles',
      new BigInt64Array([2n ** 60n + 1n]),
      new BigInt64Array([2n ** 60n]),
      'at [0]',
    ],
    ['NaN for a number', [NaN, 1], [0, 1], 'at [0]'],
    ['a number for NaN', [0], [NaN], 'at [0]'],
    ['the other infinity', [-Infinity], [Infinity], 'at [0]'],
    ['another length', [1], [1, 2], 'lengths differ'],
  ])('refuses %s', (_name, actual, expected, message) => {
    expect(() => expectClose(actual, expected)).toThrow(message);
  });

  it('takes a tolerance of its own', () => {
    expect(() => expectClose([1.1], [1], { rtol: 0.2 })).not.toThrow();
    expect(maxError([1.5, -4], [1, -2])).toEqual({ maxAbs: 2, maxRel: 1, worstIndex: 1 });
  });
});
