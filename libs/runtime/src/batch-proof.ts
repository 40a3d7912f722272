import { SconceError } from '@sconce/errors';
import {
  byteLength,
  encodeBytes,
  sliceRows,
  viewOf,
  type Datatype,
  type Tensor,
  type TensorSpec,
} from '@sconce/tensor';
import type { RunCall, RunResult } from './inference-pool.ts';
import type { ModelFile, Signature } from './thread-protocol.ts';

/** What probing a model's batch axis found; `evidence` is for people. */
export interface BatchFinding {
  readonly axis: 'dynamic' | 'none';
  readonly evidence: string;
}

/** Probed sizes: a prime above any small constant that a trace might have baked in, and one row. */
const PROBE_ROWS = 5;
/** Size given to free axes other than the batch axis. */
const PROBE_FREE_SIZE = 8;
/** Rows alone against rows together, relative to the output's largest magnitude: summation order may differ. */
const TOLERANCE: Partial<Record<Datatype, number>> = { FP16: 2e-2, FP32: 1e-4, FP64: 1e-9 };

/**
 * Whether rows of axis 0 are independent: seeded rows run together must equal the same rows run alone. A model whose
 * axis 0 is not free on every input and output is `none` without a run. Any doubt ends in `none`, which is always safe.
 * Throws only what means that the model can't be served at all.
 */
export async function probeBatchAxis(
  runner: { run(call: RunCall): Promise<RunResult> },
  file: ModelFile,
  signature: Signature,
): Promise<BatchFinding> {
  const fixed = [...signature.inputs, ...signature.outputs].find((spec) => spec.shape[0] !== -1);
  if (fixed !== undefined) {
    return { axis: 'none', evidence: `axis 0 of "${fixed.name}" is fixed at ${fixed.shape[0] ?? 'rank 0'}` };
  }
  if (signature.inputs.length === 0) return { axis: 'none', evidence: 'the model has no inputs' };
  const together = signature.inputs.map((spec, index) => probeInput(spec, PROBE_ROWS, index + 1));
  const call = (inputs: readonly Tensor[]): Promise<RunResult> =>
    runner.run({ file, parts: [inputs], outputs: signature.outputs, rowsKnown: false });
  try {
    const merged = (await call(together)).outputs;
    const wrong = merged.find((output) => output.shape[0] !== PROBE_ROWS);
    if (wrong !== undefined) {
      return { axis: 'none', evidence: `${PROBE_ROWS} rows in gave "${wrong.name}" [${wrong.shape.join(',')}]` };
    }
    let worst = 0;
    for (let row = 0; row < PROBE_ROWS; row += 1) {
      const alone = (await call(together.map((input) => sliceRows(input, row, row + 1)))).outputs;
      for (const [index, output] of alone.entries()) {
        const reference = sliceRows(merged[index] as Tensor, row, row + 1);
        const error = deviation(output, reference);
        if (!(error <= (TOLERANCE[output.datatype] ?? 0))) {
          return { axis: 'none', evidence: `row ${row} of "${output.name}" alone differs from together by ${error}` };
        }
        worst = Math.max(worst, error);
      }
    }
    return {
      axis: 'dynamic',
      evidence: `${PROBE_ROWS} seeded rows together and alone agree (largest relative deviation ${worst.toExponential(1)})`,
    };
  } catch (error) {
    if (error instanceof SconceError && error.code === 'inference_failed') {
      return { axis: 'none', evidence: `the probe could not run: ${error.message}` };
    }
    throw error;
  }
}

/** Seeded values that most models accept: small and varied; integers 0 and 1, which are valid indices nearly everywhere. */
function probeInput(spec: TensorSpec, rows: number, seed: number): Tensor {
  const shape = [rows, ...spec.shape.slice(1).map((size) => (size === -1 ? PROBE_FREE_SIZE : size))];
  const count = shape.reduce((product, size) => product * size, 1);
  let state = seed * 0x9e3779b9;
  const next = (): number => {
    // xorshift32: any cheap well-spread sequence serves.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  if (spec.datatype === 'BYTES') {
    return {
      name: spec.name,
      datatype: 'BYTES',
      shape,
      data: encodeBytes(Array.from({ length: count }, () => `s${next().toString(36).slice(2, 6)}`)),
    };
  }
  const tensor: Tensor = {
    name: spec.name,
    datatype: spec.datatype,
    shape,
    data: new Uint8Array(byteLength(spec.datatype, shape)),
  };
  const view = viewOf(tensor);
  const isFloat = spec.datatype === 'FP16' || spec.datatype === 'FP32' || spec.datatype === 'FP64';
  for (let index = 0; index < count; index += 1) {
    const value = isFloat ? next() * 2 - 1 : Math.floor(next() * 2);
    if (view instanceof BigInt64Array || view instanceof BigUint64Array) view[index] = BigInt(value);
    else view[index] = value;
  }
  return tensor;
}

/** Largest difference relative to the reference's largest magnitude; 0 for equal bytes, Infinity where they can't agree. */
function deviation(actual: Tensor, expected: Tensor): number {
  if (Buffer.compare(actual.data, expected.data) === 0) return 0;
  if (TOLERANCE[actual.datatype] === undefined || actual.data.byteLength !== expected.data.byteLength) return Infinity;
  const a = viewOf(actual) as Float32Array;
  const b = viewOf(expected) as Float32Array;
  let scale = 0;
  let difference = 0;
  for (const [index, value] of b.entries()) {
    const other = a[index] as number;
    if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
    if (Object.is(value, other) || value === other) continue;
    if (!Number.isFinite(value) || !Number.isFinite(other)) return Infinity;
    difference = Math.max(difference, Math.abs(value - other));
  }
  return scale === 0 ? difference : difference / scale;
}
