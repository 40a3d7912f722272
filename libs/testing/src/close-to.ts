import { SconceError } from '@sconce/errors';

/** Numbers as models return them: any numeric typed array, or a plain array. */
export type NumericArray =
  | Float16Array
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly number[];

/** Two values agree if |actual − expected| ≤ atol + rtol · |expected|. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** The largest differences, and the index where the tolerance is exceeded most (-1 if nowhere). */
export interface MaxError {
  readonly maxAbs: number;
  /** Largest |actual − expected| / |expected| of all values whose expected value is not 0. */
  readonly maxRel: number;
  readonly worstIndex: number;
}

/** PyTorch's own defaults (torch.testing.assert_close); integers and booleans must be equal. */
export const TOLERANCES = {
  float16: { rtol: 1e-3, atol: 1e-5 },
  float32: { rtol: 1.3e-6, atol: 1e-5 },
  float64: { rtol: 1e-7, atol: 1e-7 },
  exact: { rtol: 0, atol: 0 },
} as const satisfies Record<string, Tolerance>;

/** The tolerance for the element type of `expected`. Plain arrays count as float64. */
export function toleranceOf(expected: NumericArray): Tolerance {
  if (expected instanceof Float16Array) return TOLERANCES.float16;
  if (expected instanceof Float32Array) return TOLERANCES.float32;
  if (expected instanceof Float64Array || Array.isArray(expected)) return TOLERANCES.float64;
  return TOLERANCES.exact;
}

/** Compares two arrays of equal length. NaN equals NaN, and an infinity equals itself; any other pair with one of them differs infinitely. */
export function maxError(
  actual: NumericArray,
  expected: NumericArray,
  tolerance: Tolerance = toleranceOf(expected),
): MaxError {
  if (actual.length !== expected.length) {
    throw new SconceError('invalid_tensor', `lengths differ: actual ${actual.length}, expected ${expected.length}`);
  }
  let maxAbs = 0;
  let maxRel = 0;
  let worstIndex = -1;
  let worstExcess = 0;
  for (let index = 0; index < expected.length; index++) {
    const [want, difference] = compare(actual[index] ?? NaN, expected[index] ?? NaN);
    maxAbs = Math.max(maxAbs, difference);
    if (want !== 0) maxRel = Math.max(maxRel, difference === 0 ? 0 : difference / want);
    const allowed = tolerance.atol + (tolerance.rtol === 0 ? 0 : tolerance.rtol * want);
    const excess = difference === Infinity ? Infinity : difference - allowed;
    if (excess > worstExcess) [worstIndex, worstExcess] = [index, excess];
  }
  return { maxAbs, maxRel, worstIndex };
}

/** Throws if a value is outside the tolerance (default: by dtype). The error has the worst index and the largest differences. */
export function expectClose(actual: NumericArray, expected: NumericArray, tolerance: Partial<Tolerance> = {}): void {
  const allowed = { ...toleranceOf(expected), ...tolerance };
  const { maxAbs, maxRel, worstIndex } = maxError(actual, expected, allowed);
  if (worstIndex < 0) return;
  throw new Error(
    `values differ most at [${worstIndex}] of ${expected.length}: actual ${actual[worstIndex]}, expected ${expected[worstIndex]}; ` +
      `max abs ${maxAbs.toExponential(3)}, max rel ${maxRel.toExponential(3)}, allowed rtol ${allowed.rtol}, atol ${allowed.atol}`,
  );
}

/** [|expected|, |actual − expected|], both finite unless only one side is NaN or infinite. */
function compare(actual: number | bigint, expected: number | bigint): readonly [number, number] {
  if (Object.is(actual, expected) || actual === expected)
    return [Number.isFinite(expected) ? Math.abs(Number(expected)) : 0, 0];
  if (typeof actual === 'bigint' && typeof expected === 'bigint') {
    return [Math.abs(Number(expected)), Math.abs(Number(actual - expected))];
  }
  const difference = Math.abs(Number(actual) - Number(expected));
  const want = Math.abs(Number(expected));
  return Number.isFinite(difference) ? [want, difference] : [Number.isFinite(want) ? want : 0, Infinity];
}
