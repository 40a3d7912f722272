import { viewOf, fromBfloat16Bits, type Tensor } from '@sconce/tensor';

/** How far an output may be off. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** One output of one call against what is expected. */
export interface OutputReport {
  readonly call: number;
  readonly output: string;
  readonly ok: boolean;
  /** Why it is off, where that is no matter of numbers: another shape or dtype. */
  readonly reason?: string;
  readonly elements: number;
  /** Elements beyond the tolerance. */
  readonly off: number;
  readonly maxAbs: number;
  /** Largest |error| / |expected|, over elements that are expected not to be 0. */
  readonly maxRel: number;
  /** maxAbs over the spread (largest minus smallest) of the expected output: what an error means to what the output tells. */
  readonly spreadRel: number;
}

/** Floats of few bits are compared with what their bits allow; ints and bools exactly. */
function toleranceFor(datatype: Tensor['datatype'], given: Tolerance): Tolerance {
  if (datatype === 'FP32' || datatype === 'FP64') return given;
  if (datatype === 'FP16' || datatype === 'BF16') {
    return { rtol: Math.max(given.rtol, datatype === 'FP16' ? 2e-3 : 1.6e-2), atol: Math.max(given.atol, 1e-3) };
  }
  return { rtol: 0, atol: 0 };
}

/** Compares an output with the expected one. NaN equals NaN, an infinity itself. */
export function compareOutput(call: number, expected: Tensor, actual: Tensor, tolerance: Tolerance): OutputReport {
  const base = { call, output: actual.name, elements: 0, off: 0, maxAbs: 0, maxRel: 0, spreadRel: 0 };
  const asFloat32 = expected.datatype === 'BF16' && actual.datatype === 'FP32';
  if (expected.datatype !== actual.datatype && !asFloat32) {
    return { ...base, ok: false, reason: `is ${actual.datatype}, expected ${expected.datatype}` };
  }
  if (expected.shape.length !== actual.shape.length || expected.shape.some((size, i) => size !== actual.shape[i])) {
    return { ...base, ok: false, reason: `has shape [${actual.shape.join(', ')}], expected [${expected.shape.join(', ')}]` };
  }
  const [want, got] = [numbersOf(expected), numbersOf(actual)];
  const { rtol, atol } = toleranceFor(expected.datatype, tolerance);
  let [off, maxAbs, maxRel, low, high] = [0, 0, 0, Infinity, -Infinity];
  for (let i = 0; i < want.length; i++) {
    const [w, g] = [want[i] ?? NaN, got[i] ?? NaN];
    if (Number.isFinite(w)) [low, high] = [Math.min(low, w), Math.max(high, w)];
    if (w === g || (Number.isNaN(w) && Number.isNaN(g))) continue;
    const error = Math.abs(w - g);
    // Not "greater than": an error that is NaN is off.
    if (!(error <= atol + rtol * Math.abs(w))) off++;
    maxAbs = Number.isNaN(error) ? Infinity : Math.max(maxAbs, error);
    if (w !== 0) maxRel = Math.max(maxRel, Number.isNaN(error) ? Infinity : error / Math.abs(w));
  }
  const spread = high - low;
  const spreadRel = maxAbs === 0 ? 0 : spread > 0 ? maxAbs / spread : Infinity;
  return { ...base, ok: off === 0, elements: want.length, off, maxAbs, maxRel, spreadRel };
}

/** A tensor's elements as numbers; int64 beyond 2^53 loses digits, which an exact comparison of equal values survives. */
function numbersOf(tensor: Tensor): ArrayLike<number> {
  if (tensor.datatype === 'BYTES') return [];
  if (tensor.datatype === 'BF16') return Float32Array.from(viewOf(tensor) as Uint16Array, (bits) => fromBfloat16Bits(bits));
  const view = viewOf(tensor);
  return view instanceof BigInt64Array || view instanceof BigUint64Array ? Float64Array.from(view, Number) : (view as ArrayLike<number>);
}
