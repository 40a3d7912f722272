import { SconceError } from '@sconce/errors';
import { describe, expect, it } from 'vitest';
import { DATATYPES, byteLength, elementCount, formatSpec, isDatatype, matchesShape } from './index.ts';

describe('shapes', () => {
  it.each([
    [[], 1],
    [[3], 3],
    [[2, 3, 4], 24],
    [[0, 7], 0],
    [[2 ** 52, 0, 2 ** 52], 0],
    [[...Array.from({ length: 30 }, () => 2 ** 52), 0], 0],
    [[2 ** 26, 2 ** 26], 2 ** 52],
  ])('counts %j as %i elements', (shape, count) => {
    expect(elementCount(shape)).toBe(count);
  });

  it.each([
    [[2, -1], /dimension 1 of shape \[2,-1\] is -1; expected a whole number from 0/],
    [[1.5], /dimension 0 .* is 1.5/],
    [[Number.NaN], /is NaN/],
    [[1e300, 0], /is 1e\+300/],
    [[2 ** 27, 2 ** 27], /has 18014398509481984 elements; expected at most 2\^53-1/],
    [Array.from({ length: 65 }, () => 1), /has 65 dimensions; expected at most 64/],
  ])('refuses %j', (shape, message) => {
    const count = () => elementCount(shape, 'x');
    expect(count).toThrow(SconceError);
    expect(count).toThrow(message);
    expect(count).toThrow(expect.objectContaining({ code: 'invalid_tensor', details: { param: 'x' } }));
  });

  it('refuses a safe number of elements with an unsafe number of bytes', () => {
    expect(elementCount([2 ** 52])).toBe(2 ** 52);
    expect(byteLength('INT16', [2, 3])).toBe(12);
    expect(() => byteLength('FP64', [2 ** 52])).toThrow(/FP64\[4503599627370496\] takes .* bytes/);
  });

  it.each([
    [[3, 10], [-1, 10], true],
    [[3, 11], [-1, 10], false],
    [[10], [-1, 10], false],
    [[], [], true],
    [[0, 0], [-1, -1], true],
  ])('compares %j with signature %j: %s', (shape, signature, matches) => {
    expect(matchesShape(shape, signature)).toBe(matches);
  });

  it('names datatypes as the protocol does', () => {
    expect(DATATYPES).toHaveLength(14);
    expect(DATATYPES.every(isDatatype)).toBe(true);
    expect(['fp32', 'toString', '__proto__', 5, null].some(isDatatype)).toBe(false);
    expect(formatSpec({ datatype: 'FP32', shape: [-1, 10] })).toBe('FP32[-1,10]');
  });
});
