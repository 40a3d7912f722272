import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import type { Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { flag } from '../../attributes.ts';
import { dimsOf, rangeOf, toScalar } from '../../dims.ts';

/** The axes a reduction runs over; none given means all. */
export function reducedAxes(context: LowerContext, rank: number, dims: readonly number[] | null): number[] {
  if (dims === null || dims.length === 0) return rangeOf(rank);
  return dims.map((dim) => context.axis(dim, rank)).filter((axis) => axis < rank);
}

/** The shape with the axes reduced. */
export function reducedShape(shape: readonly Dim[], axes: readonly number[], keepdim: boolean): Dim[] {
  return keepdim
    ? shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
    : shape.filter((_, axis) => !axes.includes(axis));
}

/** A `Reduce…` node over the axes. */
export function reduce(
  context: LowerContext,
  opType: string,
  self: TensorValue,
  axes: readonly number[],
  keepdim: boolean,
): TensorValue {
  // A number is a vector of one element here.
  if (self.rank === 0) return reduce(context, opType, context.reshape(self, [1]), [0], false);
  return context.node(opType, [self, context.ints(axes)], {
    shape: reducedShape(self.content.shape, axes, keepdim),
    attributes: { keepdims: flag(keepdim) },
  });
}

/** The sum over the axes. */
export const sumOver = (
  context: LowerContext,
  self: TensorValue,
  axes: readonly number[],
  keepdim = false,
): TensorValue => reduce(context, 'ReduceSum', self, axes, keepdim);

/** All known sizes of a vector combined to one, where they are known; sizes stay sizes that way. */
export function foldSizes(
  context: LowerContext,
  self: TensorValue,
  start: Dim | undefined,
  combine: (a: Dim, b: Dim) => Dim,
): TensorValue | undefined {
  if (self.dtype !== 'int64' || self.rank > 1) return undefined;
  const dims = dimsOf(context, self);
  const [first, ...rest] = start === undefined ? (dims ?? []) : [start, ...(dims ?? [])];
  if (dims === undefined || first === undefined) return undefined;
  return context.elements([toScalar(rest.reduce(combine, first))], 'int64', []);
}

/** The dtype in which sums and products of a dtype are taken: integers and truth values become int64. */
export function accumulatedType(dtype: ScalarType): ScalarType {
  return isFloating(dtype) ? dtype : 'int64';
}

/** The tensor where it is floating; refuses others as PyTorch does. */
export function floatingOnly(context: LowerContext, self: TensorValue, op: string): TensorValue {
  if (isFloating(self.dtype)) return self;
  return context.unsupported(
    `${op} of a tensor of ${self.dtype}`,
    'PyTorch takes floating-point tensors only: convert it first',
  );
}
