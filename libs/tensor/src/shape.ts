import { DATATYPE_BYTES, formatShape, type FixedDatatype } from './datatype.ts';
import { tensorError } from './tensor-error.ts';

/** The largest number of axes of a tensor. It is NumPy's limit too, and it bounds every loop over axes. */
export const MAX_RANK = 64;

/**
 * Number of elements of a concrete shape: 1 for a scalar, 0 if any axis is 0. Allocates nothing.
 *
 * Throws 'invalid_tensor' with `name` if a dimension is negative, fractional or above 2^53-1, if there are more than
 * MAX_RANK axes, or if the product is above 2^53-1.
 */
export function elementCount(shape: readonly number[], name = ''): number {
  if (shape.length > MAX_RANK) {
    throw tensorError(name, `shape has ${shape.length} dimensions; expected at most ${MAX_RANK}`);
  }
  let count = 1;
  let empty = false;
  // Not `entries()`, which allocates for each axis: a request calls this several times.
  for (let axis = 0; axis < shape.length; axis++) {
    const dimension = shape[axis] ?? NaN;
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw tensorError(
        name,
        `dimension ${axis} of shape ${formatShape(shape)} is ${String(dimension)}; expected a whole number from 0 to 2^53-1`,
      );
    }
    if (dimension === 0) empty = true;
    count *= dimension;
  }
  if (empty) return 0;
  // A product of positive integers only grows, and a double above 2^53 never rounds to a smaller safe integer.
  if (!Number.isSafeInteger(count)) {
    throw tensorError(name, `shape ${formatShape(shape)} has ${count} elements; expected at most 2^53-1`);
  }
  return count;
}

/**
 * Bytes that a fixed-width tensor of this concrete shape takes. Throws 'invalid_tensor' as `elementCount` does, and if
 * the size is above 2^53-1 bytes.
 */
export function byteLength(datatype: FixedDatatype, shape: readonly number[], name = ''): number {
  const bytes = elementCount(shape, name) * DATATYPE_BYTES[datatype];
  if (!Number.isSafeInteger(bytes)) {
    throw tensorError(name, `${datatype}${formatShape(shape)} takes ${bytes} bytes; expected at most 2^53-1`);
  }
  return bytes;
}

/** Tells whether a concrete shape matches a signature's shape: the same rank, and each dimension equal or free (-1). */
export function matchesShape(shape: readonly number[], signatureShape: readonly number[]): boolean {
  return (
    shape.length === signatureShape.length &&
    signatureShape.every((dimension, axis) => dimension === -1 || dimension === shape[axis])
  );
}
