import { isComplex, joinParts, splitParts } from '../../complex.ts';
import { opFamily } from '../../define-op.ts';
import { rangeOf } from '../../dims.ts';
import { matmul } from '../../matmul.ts';
import { positions } from '../../positions.ts';
import { asFloat } from '../../promotion.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, floorDivDims, maxDims, mulDims, sameDim, subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { inversePermutation } from '../shape/permuting.ts';
import { pad } from '../vision/padding.ts';
import { waves } from './waves.ts';

const { ops, defineOp } = opFamily('signal');

/** Discrete Fourier transforms along one axis, as products with matrices of waves. This works for every size and is exact enough. */
export const fourier = ops;

/** Real and imaginary parts. The transformed axis is the last one. */
interface Parts {
  readonly real: TensorValue;
  readonly imaginary: TensorValue | null;
}

interface FourierArguments {
  readonly self: TensorValue;
  readonly n: Dim | null;
  readonly dim: number;
  readonly norm: string | null;
}

/** The permutation that moves `axis` to the end. */
function movedLast(rank: number, axis: number): readonly number[] {
  return [...rangeOf(rank).filter((i) => i !== axis), axis];
}

/** Cuts the last axis to `size`, or pads it with zeros. */
function resized(context: LowerContext, tensor: TensorValue, size: Dim): TensorValue {
  const present = tensor.shape.at(-1) ?? 1;
  if (sameDim(present, size)) return tensor;
  const wide = pad(context, tensor, [0, maxDims(subDims(size, present), 0)], 'constant');
  return context.slice(wide, tensor.rank - 1, 0, size, 1, size);
}

/** The parts of the input, with the transformed axis last and resized to `size` points. */
function inputParts(context: LowerContext, self: TensorValue, axis: number, size: Dim): Parts {
  const order = movedLast(self.rank, axis);
  const ready = (tensor: TensorValue): TensorValue => resized(context, context.transpose(tensor, order), size);
  if (!isComplex(self.dtype)) return { real: ready(asFloat(context, self)), imaginary: null };
  const { re, im } = splitParts(context, self);
  return { real: ready(re), imaginary: ready(im) };
}

/** The scale factor of a transform of `size` points. */
function scale(
  context: LowerContext,
  size: Dim,
  norm: string | null,
  inverse: boolean,
  like: TensorValue,
): TensorValue {
  const one = context.scalar(1, like.dtype);
  if ((norm ?? 'backward') === (inverse ? 'forward' : 'backward')) return one;
  const points = context.cast(context.ints([size]), like.dtype);
  return context.node('Div', [one, norm === 'ortho' ? context.node('Sqrt', [points]) : points], { shape: [1] });
}

/** The complex tensor `real + i imaginary`, with the last axis moved back to position `axis`. */
function complexResult(context: LowerContext, axis: number, real: TensorValue, imaginary: TensorValue): TensorValue {
  const back = inversePermutation(movedLast(real.rank, axis));
  return joinParts(context, { re: context.transpose(real, back), im: context.transpose(imaginary, back) });
}

/** The transform, or with `inverse` its inverse. With `half` only the lower half of the frequencies is returned. */
export function transform(context: LowerContext, args: FourierArguments, half: boolean, inverse: boolean): TensorValue {
  const { self, norm } = args;
  const axis = context.axis(args.dim, self.rank);
  const size = args.n ?? self.shape[axis] ?? 1;
  const bins = half ? addDims(floorDivDims(size, 2), 1) : size;
  const { real, imaginary } = inputParts(context, self, axis, size);
  const factor = scale(context, size, norm, inverse, real);
  const table = waves(context, size, bins, size);
  const cosines = context.cast(table.cosines, real.dtype);
  const sines = context.cast(inverse ? table.sines : context.node('Neg', [table.sines]), real.dtype);
  const product = (a: TensorValue, b: TensorValue): TensorValue => matmul(context, a, b);
  let [re, im] = [product(real, cosines), product(real, sines)];
  if (imaginary !== null) {
    re = context.node('Sub', [re, product(imaginary, sines)]);
    im = context.node('Add', [im, product(imaginary, cosines)]);
  }
  return complexResult(context, axis, context.node('Mul', [re, factor]), context.node('Mul', [im, factor]));
}

/** A real signal from the lower half of its frequencies. Each frequency except the first and the middle one counts twice. */
export function fromHalf(context: LowerContext, args: FourierArguments): TensorValue {
  const { self, norm } = args;
  const axis = context.axis(args.dim, self.rank);
  const size = args.n ?? mulDims(subDims(self.shape[axis] ?? 1, 1), 2);
  const bins = addDims(floorDivDims(size, 2), 1);
  const { real, imaginary } = inputParts(context, self, axis, bins);
  const { dtype } = real;
  const bin = positions(context, bins, { axis: 0, rank: 2 });
  const mirrored = context.node('Mod', [context.node('Mul', [bin, context.ints([2])]), context.ints([size])]);
  const alone = context.node('Equal', [mirrored, context.ints([0])], { dtype: 'bool' });
  const weights = context.node('Where', [alone, context.scalar(1, dtype), context.scalar(2, dtype)], {
    dtype,
    shape: [bins, 1],
  });
  const table = waves(context, bins, size, size);
  const weighted = (wave: TensorValue): TensorValue => context.node('Mul', [context.cast(wave, dtype), weights]);
  let signal = matmul(context, real, weighted(table.cosines));
  if (imaginary !== null) signal = context.node('Sub', [signal, matmul(context, imaginary, weighted(table.sines))]);
  const scaled = context.node('Mul', [signal, scale(context, size, norm, true, real)]);
  return context.transpose(scaled, inversePermutation(movedLast(self.rank, axis)));
}

defineOp('aten::fft_rfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor', (context, args) =>
  transform(context, args, true, false),
);
defineOp('aten::fft_irfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor', fromHalf);
defineOp('aten::fft_fft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor', (context, args) =>
  transform(context, args, false, false),
);
defineOp('aten::fft_ifft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor', (context, args) =>
  transform(context, args, false, true),
);
