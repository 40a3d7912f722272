import { sliceRows, viewOf, type Tensor } from '@sconce/tensor';
import { isFloat } from './seeded-tensors.ts';

/**
 * How far row `row` of `actual` is from row `expectedRow` of `expected`, relative to the magnitude of all of `expected`: 0 for
 * equal bytes, Infinity if they cannot agree (integers that differ, NaN against a number, different shapes).
 */
export function rowDeviation(actual: Tensor, row: number, expected: Tensor, expectedRow: number): number {
  const [a, b] = [sliceRows(actual, row, row + 1), sliceRows(expected, expectedRow, expectedRow + 1)];
  return deviation(a, b, expected);
}

/** How far `actual` is from `expected`, relative to the magnitude of `expected`; measured as in `rowDeviation`. */
export function tensorDeviation(actual: Tensor, expected: Tensor): number {
  const sameShape = actual.shape.join() === expected.shape.join() && actual.datatype === expected.datatype;
  return sameShape ? deviation(actual, expected, expected) : Infinity;
}

/** The deviation is relative to the magnitude of `scaleOf`. */
function deviation(a: Tensor, b: Tensor, scaleOf: Tensor): number {
  if (Buffer.compare(a.data, b.data) === 0) return 0;
  if (!isFloat(a.datatype) || a.data.byteLength !== b.data.byteLength) return Infinity;
  let difference = 0;
  const [x, y] = [floatsOf(a), floatsOf(b)];
  for (const [i, value] of y.entries()) {
    const other = x[i] ?? NaN;
    if (Object.is(value, other) || value === other) continue;
    const error = Math.abs(value - other);
    if (!Number.isFinite(error)) return Infinity;
    difference = Math.max(difference, error);
  }
  const scale = magnitude(scaleOf);
  return difference === 0 ? 0 : scale === 0 ? difference : difference / scale;
}

/** The largest finite absolute value. */
function magnitude(tensor: Tensor): number {
  let scale = 0;
  for (const value of floatsOf(tensor)) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
  return scale;
}

function floatsOf(tensor: Tensor): Float64Array {
  return Float64Array.from(viewOf(tensor as Tensor & { datatype: 'FP32' }));
}

/** Whether some output tells rows apart: it has a finite number, and not all its rows are equal. */
export function distinguishesRows(outputs: readonly Tensor[], rows: number): boolean {
  return outputs.some((output) => {
    if (isFloat(output.datatype) && !floatsOf(output).some(Number.isFinite)) return false;
    const first = sliceRows(output, 0, 1).data;
    return Array.from({ length: rows - 1 }, (_, i) => sliceRows(output, i + 1, i + 2).data).some(
      (data) => Buffer.compare(first, data) !== 0,
    );
  });
}
