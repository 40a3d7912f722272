import { describe, expect, it } from 'vitest';
import type { Datatype, Tensor } from './datatype.ts';
import { compareOutput } from './compare-output.ts';

type View = Float32Array | Float64Array | Uint8Array | Uint16Array | BigInt64Array;

const tensor = (datatype: Datatype, view: View, shape: readonly number[] = [view.length]): Tensor => ({
  name: 'y',
  datatype,
  shape,
  data: new Uint8Array(view.buffer, view.byteOffset, view.byteLength),
});
const floats = (...values: number[]): Tensor => tensor('FP32', Float32Array.from(values));
const ints = (...values: bigint[]): Tensor => tensor('INT64', BigInt64Array.from(values));
const halves = (datatype: 'FP16' | 'BF16', ...bits: number[]): Tensor => tensor(datatype, Uint16Array.from(bits));
const TOLERANCE = { rtol: 1e-4, atol: 1e-5 };

describe('compareOutput', () => {
  it.each<[string, Tensor, Tensor, number]>([
    ['equal', floats(1, 2), floats(1, 2), 0],
    ['within rtol', floats(1000), floats(1000.09), 0],
    ['beyond rtol', floats(1000, 1), floats(1000.2, 1), 1],
    ['within atol at 0', floats(0), floats(9e-6), 0],
    ['beyond atol at 0', floats(0), floats(2e-5), 1],
    ['NaN for NaN', floats(NaN, 1), floats(NaN, 1), 0],
    ['NaN for a number', floats(1, 1), floats(NaN, 1), 1],
    ['a number for NaN', floats(NaN, 1), floats(1, 1), 1],
    ['infinities', floats(Infinity, -Infinity), floats(Infinity, -Infinity), 0],
    ['the other infinity', floats(Infinity), floats(-Infinity), 1],
    ['infinity for a large number', floats(3e38), floats(Infinity), 1],
    ['a number for infinity', floats(Infinity), floats(3e38), 1],
    ['-0 for 0', floats(0), floats(-0), 0],
    ['integers that differ in the last digit', ints(2n ** 60n), ints(2n ** 60n + 1n), 1],
    ['equal ints', ints(-5n, 2n ** 62n), ints(-5n, 2n ** 62n), 0],
    ['bools', tensor('BOOL', Uint8Array.of(1, 0)), tensor('BOOL', Uint8Array.of(1, 1)), 1],
    ['float16 one bit off', halves('FP16', 0x3c00), halves('FP16', 0x3c01), 0],
    ['float16 far off', halves('FP16', 0x3c00), halves('FP16', 0x3c10), 1],
    ['bfloat16 as float32', halves('BF16', 0x3f80), floats(1.01), 0],
    ['bfloat16 far off', halves('BF16', 0x3f80), floats(1.1), 1],
    ['empty tensors', floats(), floats(), 0],
  ])('%s', (_, expected, actual, off) => {
    expect(compareOutput(0, expected, actual, TOLERANCE)).toMatchObject({ off, ok: off === 0 });
  });

  it('measures absolute and relative errors, and errors relative to the spread', () => {
    const report = compareOutput(3, floats(0, 2, 10), floats(0.5, 2.5, 10), TOLERANCE);
    expect(report).toEqual({
      call: 3,
      output: 'y',
      ok: false,
      elements: 3,
      off: 2,
      maxAbs: 0.5,
      maxRel: 0.25,
      spreadRel: 0.05,
    });
    expect(compareOutput(0, floats(1, 2), floats(NaN, 2), TOLERANCE)).toMatchObject({
      maxAbs: Infinity,
      maxRel: Infinity,
    });
    expect(compareOutput(0, floats(7), floats(8), TOLERANCE)).toMatchObject({ spreadRel: Infinity });
  });

  it.each<[Tensor, Tensor, string]>([
    [floats(1, 2), tensor('FP32', Float32Array.of(1, 2), [2, 1]), 'is FP32[2,1], expected FP32[2]'],
    [floats(1), ints(1n), 'is INT64[1], expected FP32[1]'],
    [ints(1n), floats(1), 'is FP32[1], expected INT64[1]'],
  ])('reports another shape or datatype as a failure, whatever the numbers are', (expected, actual, reason) => {
    expect(compareOutput(0, expected, actual, { rtol: 1e9, atol: 1e9 })).toMatchObject({ ok: false, reason });
  });

  it('does not accept NaN with any tolerance', () => {
    expect(compareOutput(0, floats(1), floats(NaN), { rtol: 1e9, atol: 1e9 }).ok).toBe(false);
  });
});
