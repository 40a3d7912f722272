import { fromBfloat16Bits } from './bfloat16.ts';
import { formatSpec, type Datatype, type Tensor } from './datatype.ts';
import { viewOf } from './typed-view.ts';

/** How far an output may be off: |error| <= atol + rtol * |expected|. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** One output of one call against what is expected. */
export interface OutputReport {
  readonly call: number;
  readonly output: string;
  readonly ok: boolean;
  /** Why it is off, where that is no matter of numbers: it is missing, or of another shape or dtype. */
  readonly reason?: string;
  readonly elements: number;
  /** Elements beyond the tolerance. */
  readonly off: number;
  /** Infinity where one of the two is NaN or infinite and the other is not. */
  readonly maxAbs: number;
  /** Largest |error| / |expected|, over elements that are expected not to be 0. */
  readonly maxRel: number;
  /** maxAbs over the spread (largest minus smallest) of the expected output: what an error means to what the output tells. */
  readonly spreadRel: number;
}

/** Floats of few bits are compared with what their bits allow; ints and bools exactly. */
function toleranceFor(datatype: Datatype, { rtol, atol }: Tolerance): Tolerance {
  if (datatype === 'FP32' || datatype === 'FP64') return { rtol, atol };
  if (datatype === 'FP16') return { rtol: Math.max(rtol, 2e-3), atol: Math.max(atol, 1e-3) };
  if (datatype === 'BF16') return { rtol: Math.max(rtol, 1.6e-2), atol: Math.max(atol, 1e-3) };
  return { rtol: 0, atol: 0 };
}

/** The report of an output that there are no numbers of. */
export function offReport(call: number, output: string, reason: string): OutputReport {
  return { call, output, ok: false, reason, elements: 0, off: 0, maxAbs: 0, maxRel: 0, spreadRel: 0 };
}

/** Compares an output with the expected one. NaN equals NaN, an infinity itself; bfloat16 may come as float32. */
export function compareOutput(call: number, expected: Tensor, actual: Tensor, tolerance: Tolerance): OutputReport {
  const output = actual.name;
  const widened = expected.datatype === 'BF16' && actual.datatype === 'FP32';
  const sameShape =
    expected.shape.length === actual.shape.length && expected.shape.every((size, i) => size === actual.shape[i]);
  if (!sameShape || (expected.datatype !== actual.datatype && !widened)) {
    return offReport(call, output, `is ${formatSpec(actual)}, expected ${formatSpec(expected)}`);
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
    // Where one of the two is NaN, or an infinity that the other is not, no tolerance is wide enough.
    const error = Number.isNaN(difference) ? Infinity : Math.abs(difference);
    if (error === Infinity || error > atol + rtol * Math.abs(size)) off++;
    maxAbs = Math.max(maxAbs, error);
    if (size !== 0) maxRel = Math.max(maxRel, error === Infinity ? Infinity : error / Math.abs(size));
  }
  const spreadRel = maxAbs === 0 ? 0 : high > low ? maxAbs / (high - low) : Infinity;
  return { call, output, ok: off === 0, elements: want.length, off, maxAbs, maxRel, spreadRel };
}

/** A tensor's elements; 64-bit integers as bigint, exact to the last digit. */
function elementsOf(tensor: Tensor): ArrayLike<number | bigint> {
  const { datatype } = tensor;
  // Never among expected tensors, which come from a safetensors file.
  if (datatype === 'BYTES') return [];
  const view = viewOf({ ...tensor, datatype });
  return datatype === 'BF16' ? Float32Array.from(view as Uint16Array, (bits) => fromBfloat16Bits(bits)) : view;
}
