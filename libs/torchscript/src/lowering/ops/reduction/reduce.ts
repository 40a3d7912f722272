import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { minDims, minimumOf, productOf, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { flag } from '../../attributes.ts';
import { dimsOf, rangeOf, toScalar } from '../../dims.ts';

/** The axes of a reduction. Null or an empty list means all axes. */
export function reducedAxes(context: LowerContext, rank: number, dims: readonly number[] | null): number[] {
  if (dims === null || dims.length === 0) return rangeOf(rank);
  return dims.map((dim) => context.axis(dim, rank)).filter((axis) => axis < rank);
}

/** The shape after a reduction of the axes. */
export function reducedShape(shape: readonly Dim[], axes: readonly number[], keepdim: boolean): Dim[] {
  return keepdim
    ? shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
    : shape.filter((_, axis) => !axes.includes(axis));
}

/** Adds a `Reduce…` node over the axes. */
export function reduce(
  context: LowerContext,
  opType: string,
  self: TensorValue,
  axes: readonly number[],
  keepdim: boolean,
): TensorValue {
  // ONNX requires an axis, so a 0-d tensor is reduced as a vector of one element.
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

/** Combines the elements of a vector at compile time if all are known. So results computed from sizes stay sizes. */
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

/** The dtype in which sums and products are computed: int64 for integers and bool. */
export function accumulatedType(dtype: ScalarType): ScalarType {
  return isFloating(dtype) ? dtype : 'int64';
}

/** Returns a floating tensor as it is. Refuses other dtypes, as PyTorch does. */
export function floatingOnly(context: LowerContext, self: TensorValue, op: string): TensorValue {
  if (isFloating(self.dtype)) return self;
  return context.unsupported(
    `${op} of a tensor of ${self.dtype}`,
    'PyTorch accepts floating-point tensors only: convert the tensor first',
  );
}

/** The number of elements in the axes. */
export const countOver = (self: TensorValue, axes: readonly number[]): ReturnType<typeof productOf> =>
  productOf(axes.map((axis) => self.content.shape[axis] ?? 1));

/** The mean over the axes. The mean of nothing is NaN, for which the kernel gives 0. */
export function meanOver(
  context: LowerContext,
  self: TensorValue,
  axes: readonly number[],
  keepdim: boolean,
): TensorValue {
  const result = reduce(context, 'ReduceMean', self, axes, keepdim);
  const count = context.resolve(countOver(self, axes));
  if (minimumOf(count) > 0) return result;
  const one = context.scalar(toScalar(minDims(count, 1)), result.dtype);
  return context.node('Div', [result, one]);
}
