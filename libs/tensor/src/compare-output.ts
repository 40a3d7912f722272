import { fromBfloat16Bits } from './bfloat16.ts';
import { formatSpec, type Datatype, type Tensor } from './datatype.ts';
import { viewOf } from './typed-view.ts';

/** The allowed difference: |error| <= atol + rtol * |expected|. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** The comparison of one output of one call with the expected output. */
export interface OutputReport {
  readonly call: number;
  readonly output: string;
  readonly ok: boolean;
  /** Why the numbers could not be compared: the output is missing, or has another shape or datatype. */
  readonly reason?: string;
  readonly elements: number;
  /** Elements beyond the tolerance. */
  readonly off: number;
  /** Largest |error|. Infinity if one value is NaN or infinite and the other is not. */
  readonly maxAbs: number;
  /** Largest |error| / |expected|, over the elements whose expected value is not 0. */
  readonly maxRel: number;
  /** maxAbs divided by the spread (largest minus smallest value) of the expected output. */
  readonly spreadRel: number;
}

/** 16-bit floats get at least the tolerance that their precision requires. Integers and booleans must be equal. */
function toleranceFor(datatype: Datatype, { rtol, atol }: Tolerance): Tolerance {
  if (datatype === 'FP32' || datatype === 'FP64') return { rtol, atol };
  if (datatype === 'FP16') return { rtol: Math.max(rtol, 2e-3), atol: Math.max(atol, 1e-3) };
  if (datatype === 'BF16') return { rtol: Math.max(rtol, 1.6e-2), atol: Math.max(atol, 1e-3) };
  return { rtol: 0, atol: 0 };
}

/** The report of an output whose numbers could not be compared. */
export function failedReport(call: number, output: string, reason: string): OutputReport {
  return { call, output, ok: false, reason, elements: 0, off: 0, maxAbs: 0, maxRel: 0, spreadRel: 0 };
}

/**
 * Compares an output with the expected output. NaN equals NaN, and an infinity equals itself. For an expected BF16 the
 * actual output may be FP32.
 */
export function compareOutput(call: number, expected: Tensor, actual: Tensor, tolerance: Tolerance): OutputReport {
  const output = actual.name;
  const widened = expected.datatype === 'BF16' && actual.datatype === 'FP32';
  const sameShape =
    expected.shape.length === actual.shape.length && expected.shape.every((size, i) => size === actual.shape[i]);
  if (!sameShape || (expected.datatype !== actual.datatype && !widened)) {
    return failedReport(call, output, `is ${formatSpec(actual)}, expected ${formatSpec(expected)}`);
  }
  const [want, got] = [elementsOf(expected), elementsOf(actual)];
  const { rtol, atol } = toleranceFor(expected.datatype, tolerance);
  let [off, maxAbs, maxRel, low, high] = [0, 0, 0, Infinity, -Infinity];
  for (let i = 0; i < want.length; i++) {
    const [w, g] = [want[i] ?? NaN, got[i] ?? NaN];
    const size = Number(w);
    if (Number.isFinite(size)) [low, high] = [Math.min(low, size), Math.max(high, size)];
    if (Object.is(w, g) || w === g) continue;
    const difference = typeof w === 'bigint' && typeof g === 'bigint' ? Number(w - g) : size - Number(g);
    // If one value is NaN or infinite and the other is not, no tolerance is large enough.
    const error = Number.isNaN(difference) ? Infinity : Math.abs(difference);
    if (error === Infinity || error > atol + rtol * Math.abs(size)) off++;
    maxAbs = Math.max(maxAbs, error);
    if (size !== 0) maxRel = Math.max(maxRel, error === Infinity ? Infinity : error / Math.abs(size));
  }
  const spreadRel = maxAbs === 0 ? 0 : high > low ? maxAbs / (high - low) : Infinity;
  return { call, output, ok: off === 0, elements: want.length, off, maxAbs, maxRel, spreadRel };
}

/** The elements of a tensor. 64-bit integers are bigint, so they stay exact. */
function elementsOf(tensor: Tensor): ArrayLike<number | bigint> {
  const { datatype } = tensor;
  // Expected tensors come from a safetensors file, which has no strings.
  if (datatype === 'BYTES') return [];
  const view = viewOf({ ...tensor, datatype });
  return datatype === 'BF16' ? Float32Array.from(view as Uint16Array, (bits) => fromBfloat16Bits(bits)) : view;
}
