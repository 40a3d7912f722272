import { describe, expect, it } from 'vitest';
import { viewOf } from '@sconce/tensor';
import { nestedOf, tensor, valuesOf, type Nested } from './tensors.ts';

describe('a typed array', () => {
  it.each([
    ['UINT8', Uint8Array.of(1, 255)],
    ['UINT16', Uint16Array.of(1, 65_535)],
    ['UINT32', Uint32Array.of(1, 2 ** 32 - 1)],
    ['UINT64', BigUint64Array.of(1n, 2n ** 64n - 1n)],
    ['INT8', Int8Array.of(1, -128)],
    ['INT16', Int16Array.of(1, -32_768)],
    ['INT32', Int32Array.of(1, -(2 ** 31))],
    ['INT64', BigInt64Array.of(1n, -(2n ** 63n))],
    ['FP32', Float32Array.of(1.5, Infinity)],
    ['FP64', Float64Array.of(1.1, -1e300)],
  ])('of %s comes back as it was sent', (datatype, values) => {
    const made = tensor('x', values);
    expect(made).toMatchObject({ name: 'x', datatype, shape: [2] });
    expect(valuesOf(made)).toEqual(values);
  });

  it('is converted, and takes a shape', () => {
    const half = tensor('x', Float32Array.of(1, 2.5, 3, 4), { datatype: 'FP16', shape: [2, 2] });
    expect(nestedOf(half)).toEqual([
      [1, 2.5],
      [3, 4],
    ]);
    expect(valuesOf(tensor('x', Float32Array.of(1.5), { datatype: 'BF16' }))).toEqual(Float32Array.of(1.5));
    expect(valuesOf(tensor('x', Int32Array.of(7), { datatype: 'INT64' }))).toEqual(BigInt64Array.of(7n));
    // A part of a larger memory, at an odd place.
    expect(valuesOf(tensor('x', new Uint8Array([9, 1, 2]).subarray(1)))).toEqual(Uint8Array.of(1, 2));
  });
});

describe('nested arrays', () => {
  it.each<[string, Nested, number[]]>([
    [
      'FP32',
      [
        [1, 2, 3],
        [4, 5, 6.5],
      ],
      [2, 3],
    ],
    ['INT64', [[[1n], [-2n]]], [1, 2, 1]],
    ['BOOL', [true, false], [2]],
    [
      'BYTES',
      [
        ['a', 'ü'],
        ['', '€'],
      ],
      [2, 2],
    ],
    ['FP32', 5, []],
    ['FP32', [], [0]],
  ])('of %s with these values come back as they were sent (case %#)', (datatype, values, shape) => {
    const made = tensor('x', values);
    expect(made).toMatchObject({ datatype, shape });
    expect(nestedOf(made)).toEqual(values);
  });

  it.each<[string, Nested, object, RegExp]>([
    ['different lengths', [[1, 2], [3]], {}, /values\[1\] has 1 entries; expected 2/],
    ['different depths', [[1], 2], {}, /values\[1\] is no array/],
    ['an array too much', [1, [2]], {}, /values\[1\] has 1 entries; expected no array/],
    ['another shape', [1, 2], { shape: [3] }, /has 2 elements; expected 3 for the shape \[3\]/],
    ['mixed kinds', [1, 'a'], {}, /the element a \(string\), which is no FP32/],
    ['an integer that is too large', [300], { datatype: 'UINT8' }, /300 \(number\), which is no UINT8/],
    ['a fraction', [1.5], { datatype: 'INT32' }, /1.5 \(number\), which is no INT32/],
    ['a fraction of 64 bits', [1.5], { datatype: 'INT64' }, /1.5 \(number\), which is no INT64/],
    ['a big integer that is too large', [2n ** 64n], { datatype: 'UINT64' }, /which is no UINT64/],
    ['a number that is no truth', [2], { datatype: 'BOOL' }, /2 \(number\), which is no BOOL/],
    ['a number that is no text', [2], { datatype: 'BYTES' }, /2 \(number\), which is no BYTES/],
  ])('with %s are refused', (_what, values, options, message) => {
    expect(() => tensor('x', values, options)).toThrow(
      expect.objectContaining({ code: 'invalid_tensor', message: expect.stringMatching(message) as string }) as Error,
    );
  });
});

it('texts that are not UTF-8 are refused by name', () => {
  const data = Uint8Array.of(1, 0, 0, 0, 0xff);
  expect(() => valuesOf({ name: 'y', datatype: 'BYTES', shape: [1], data })).toThrow(
    /"y" has bytes that are not UTF-8/,
  );
});

it('floats are rounded as the datatype rounds them', () => {
  expect(viewOf(tensor('x', [0.1]) as never)).toEqual(Float32Array.of(0.1));
});
