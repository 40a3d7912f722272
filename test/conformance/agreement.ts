import { fromBfloat16Bits, viewOf, type Tensor } from '@sconce/tensor';

/** The allowed difference of an output: `|got − want| ≤ atol + rtol · max|want|`. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Tolerances of float types. Integers and booleans must be equal. */
const TOLERANCES: Readonly<Partial<Record<Tensor['datatype'], Tolerance>>> = {
  FP32: { rtol: 1e-4, atol: 1e-5 },
  FP64: { rtol: 1e-5, atol: 1e-6 },
  FP16: { rtol: 2e-3, atol: 2e-3 },
  BF16: { rtol: 1.6e-2, atol: 1.6e-2 },
};
const EXACT: Tolerance = { rtol: 0, atol: 0 };

/** The error against the float64 run may be this many times the error of PyTorch's float32 run. */
const NOISE_FACTOR = 4;

/**
 * Describes how an output differs from PyTorch's. Undefined if it agrees. `reference` is the output of the same call in
 * float64, which decides doubtful cases.
 */
export function difference(got: Tensor, want: Tensor, reference?: Tensor, given?: Tolerance): string | undefined {
  const widened = want.datatype === 'BF16' && got.datatype === 'FP32';
  if (got.datatype !== want.datatype && !widened) return `is ${got.datatype} instead of ${want.datatype}`;
  if (got.shape.join() !== want.shape.join())
    return `has shape [${got.shape.join()}] instead of [${want.shape.join()}]`;
  const base = TOLERANCES[want.datatype];
  const tolerance = base === undefined ? EXACT : (given ?? base);
  const [values, expected] = [numbersOf(got), numbersOf(want)];
  const wrong = firstBeyond(values, expected, tolerance.atol + tolerance.rtol * greatest(expected));
  if (wrong === undefined || reference === undefined) return wrong;
  const truth = numbersOf(reference);
  return firstBeyond(values, truth, NOISE_FACTOR * worst(expected, truth));
}

function firstBeyond(got: readonly number[], want: readonly number[], bound: number): string | undefined {
  const at = want.findIndex((w, i) => {
    const g = got[i] ?? NaN;
    return !(w === g || (Number.isNaN(w) && Number.isNaN(g)) || Math.abs(w - g) <= bound);
  });
  return at < 0 ? undefined : `element ${at} is ${got[at]} instead of ${want[at]} (allowed: ${bound.toExponential(1)})`;
}

function greatest(values: readonly number[]): number {
  return values.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
}

function worst(values: readonly number[], truth: readonly number[]): number {
  return greatest(values.map((value, i) => value - (truth[i] ?? value)));
}

function numbersOf(tensor: Tensor): number[] {
  const view = viewOf(tensor as Tensor & { datatype: 'FP32' }) as ArrayLike<number | bigint>;
  if (tensor.datatype === 'BF16') return Array.from(view as ArrayLike<number>, fromBfloat16Bits);
  return Array.from(view, Number);
}
