import { sliceRows, viewOf, type Tensor, type TensorSpec, type ModelSignature } from '@sconce/tensor';
import { isFloat, seededTensor, type ValueRange } from './seeded-tensors.ts';

/** The shapes and the value range of a probe. The number of rows is chosen separately. */
export interface ProbeShape {
  /** Names of the inputs whose axis 0 is the rows. */
  readonly rowInputs: ReadonlySet<string>;
  /** The inputs' shapes in the signature's order. Axis 0 of an input with rows is replaced by the number of rows. */
  readonly shapes: readonly (readonly number[])[];
  readonly range: ValueRange;
}

/** Known inputs, or shapes of inputs, on which a model runs. */
export interface ProbeExamples {
  /** Inputs of a call that is known to work, in the signature's order. */
  readonly call?: readonly Tensor[] | undefined;
  /** The inputs' shapes when the model was traced, by name. */
  readonly shapes?: ReadonlyMap<string, readonly number[]> | undefined;
}

/** Sizes to try for free axes, the likeliest first. Sizes of images and sequences are among them. */
const FREE_SIZES = [8, 16, 4, 32, 5, 12, 3, 2, 64, 1, 10, 28, 6, 7, 20, 128, 224];

/** Value ranges to try. Integers are usually indices, and an index out of range is an error. */
const RANGES: readonly ValueRange[] = [
  { low: -1, high: 1, below: 100 },
  { low: -1, high: 1, below: 8 },
  { low: -1, high: 1, below: 2 },
  { low: 0, high: 1, below: 3 },
  { low: 0, high: 1, below: 1 },
];

/** A single integer is usually a count. */
const COUNTS = { from: 1, below: 4 };

/** A call of `rows` seeded rows. Row `i` is the same row in every call with the same seed. */
export function probeRows(signature: ModelSignature, shape: ProbeShape, rows: number, seed: number): Tensor[] {
  return signature.inputs.map((spec, index) => {
    const sizes = shape.shapes[index] ?? [];
    const [, ...inner] = sizes;
    return shape.rowInputs.has(spec.name)
      ? seededTensor(spec, [rows, ...inner], shape.range, seed * 31 + index)
      : seededTensor(spec, sizes, sizes.length === 0 ? { ...shape.range, ...COUNTS } : shape.range, index);
  });
}

/** These rows of a call, in this order. */
export function pickRows(inputs: readonly Tensor[], shape: ProbeShape, rows: readonly number[]): Tensor[] {
  return inputs.map((input) => {
    if (!shape.rowInputs.has(input.name)) return input;
    const parts = rows.map((row) => sliceRows(input, row, row + 1).data);
    return { ...input, shape: [rows.length, ...input.shape.slice(1)], data: new Uint8Array(Buffer.concat(parts)) };
  });
}

/** The shapes to try, the likeliest first. */
export function* probeShapes(
  signature: ModelSignature,
  rowInputs: ReadonlySet<string>,
  examples: ProbeExamples,
): Generator<ProbeShape> {
  const { inputs } = signature;
  const ranges = examples.call === undefined ? RANGES : [rangeOf(examples.call), ...RANGES];
  const known = [examples.call?.map(({ shape }) => shape), shapesOf(inputs, examples.shapes)].filter(
    (shapes) => shapes !== undefined,
  );
  const isFree = inputs.some(({ name, shape }) => shape.slice(rowInputs.has(name) ? 1 : 0).includes(-1));
  const guessed = isFree ? FREE_SIZES : FREE_SIZES.slice(0, 1);
  const sized = guessed.map((size) =>
    inputs.map(({ shape }) => shape.map((declared) => (declared === -1 ? size : declared))),
  );
  for (const shapes of [...known, ...sized]) for (const range of ranges) yield { rowInputs, shapes, range };
}

function shapesOf(
  inputs: readonly TensorSpec[],
  traced: ReadonlyMap<string, readonly number[]> | undefined,
): (readonly number[])[] | undefined {
  if (traced === undefined || traced.size === 0) return undefined;
  return inputs.map(({ name, shape }) => {
    const example = traced.get(name);
    if (example?.length !== shape.length) return shape.map((size) => (size === -1 ? 8 : size));
    return shape.map((size, axis) => (size === -1 ? (example[axis] ?? 8) : size));
  });
}

/** The value range of a call. */
function rangeOf(call: readonly Tensor[]): ValueRange {
  let [low, high, below] = [Infinity, -Infinity, 1];
  for (const tensor of call) {
    if (tensor.datatype === 'BYTES' || tensor.datatype === 'BF16') continue;
    const real = isFloat(tensor.datatype);
    for (const element of viewOf({ ...tensor, datatype: tensor.datatype }) as Iterable<number | bigint>) {
      const value = Number(element);
      if (!Number.isFinite(value)) continue;
      if (real) [low, high] = [Math.min(low, value), Math.max(high, value)];
      else below = Math.max(below, value + 1);
    }
  }
  return low < high ? { low, high, below } : { low: -1, high: 1, below };
}
