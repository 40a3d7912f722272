import { byteLength, encodeBytes, viewOf, type Datatype, type Tensor, type TensorSpec } from '@sconce/tensor';

/** A cheap, well-spread sequence (xorshift32) of numbers in [0, 1). */
export function seededNumbers(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** The range of random values: floating-point numbers in [low, high), integers in [from, below). */
export interface ValueRange {
  readonly low: number;
  readonly high: number;
  /** Default 0. */
  readonly from?: number;
  readonly below: number;
}

/** Names of inputs whose elements are 0 or 1, whatever their datatype is. */
const YES_OR_NO = /mask|valid|flag/i;

/** A tensor of seeded random values; `shape` must be concrete. */
export function seededTensor(spec: TensorSpec, shape: readonly number[], range: ValueRange, seed: number): Tensor {
  const { name, datatype } = spec;
  const next = seededNumbers(seed);
  const count = shape.reduce((product, size) => product * size, 1);
  if (datatype === 'BYTES') {
    const texts = Array.from({ length: count }, () => `s${next().toString(36).slice(2, 6)}`);
    return { name, datatype, shape, data: encodeBytes(texts) };
  }
  const tensor = { name, datatype, shape, data: new Uint8Array(byteLength(datatype, shape)) };
  const view = viewOf({ ...tensor, datatype });
  const value = sampler(spec, range, next);
  for (let i = 0; i < count; i++) {
    if (view instanceof BigInt64Array || view instanceof BigUint64Array) view[i] = BigInt(value());
    else view[i] = value();
  }
  return tensor;
}

const FLOATS: ReadonlySet<Datatype> = new Set(['FP16', 'FP32', 'FP64']);

/** Whether a datatype holds floating-point numbers. */
export function isFloat(datatype: Datatype): boolean {
  return FLOATS.has(datatype);
}

/** Relative change of `perturbed`: two or three units of float32's last digit. */
const PERTURBATION = 3e-7;

/** A copy whose numbers differ in their last digits. Integers and texts stay the same. */
export function perturbed(tensor: Tensor): Tensor {
  if (tensor.datatype !== 'FP32' && tensor.datatype !== 'FP64') return tensor;
  const next = seededNumbers(tensor.data.byteLength);
  const result = { ...tensor, data: tensor.data.slice() };
  const view = viewOf({ ...result, datatype: tensor.datatype });
  for (let i = 0; i < view.length; i++) view[i] = (view[i] ?? 0) * (1 + (next() < 0.5 ? PERTURBATION : -PERTURBATION));
  return result;
}

function sampler({ name, datatype }: TensorSpec, range: ValueRange, next: () => number): () => number {
  if (isFloat(datatype)) return () => range.low + (range.high - range.low) * next();
  // Usually pixels, not indices.
  if (datatype === 'UINT8') return () => Math.floor(next() * 256);
  if (datatype === 'BOOL' || YES_OR_NO.test(name)) return () => Math.floor(next() * 2);
  const { from = 0, below } = range;
  return () => from + Math.floor(next() * (below - from));
}
