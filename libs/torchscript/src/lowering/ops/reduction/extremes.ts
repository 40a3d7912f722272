import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { maxDims, minDims, productOf } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { binary } from '../../arithmetic.ts';
import { flag, int } from '../../attributes.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { dimsOf, toScalar } from '../../dims.ts';
import { requireElements } from '../../empty-guard.ts';
import { nanDetector, nanWhere, orderKeys } from '../../nan.ts';
import { operandAs, resultType } from '../../promotion.ts';
import { countOver, foldSizes, reduce, reducedAxes, reducedShape } from './reduce.ts';

const { ops, defineOp } = opFamily('reduction');

/** Largest and smallest elements and their positions. */
export const extremes = ops;

type Extreme = 'Max' | 'Min';

/** The extreme over axes. It is NaN if any element is NaN. A run fails if there is no element, as in PyTorch. */
export function extremeOver(
  context: LowerContext,
  extreme: Extreme,
  self: TensorValue,
  axes: readonly number[],
  keepdim: boolean,
): TensorValue {
  const numbers = self.dtype === 'bool' ? context.cast(self, 'uint8') : self;
  const result = requireElements(
    context,
    countOver(self, axes),
    extremeOfAny(context, extreme, numbers, axes, keepdim),
  );
  return context.cast(result, self.dtype);
}

/** {@link extremeOver} that gives some number if there is no element. */
export function extremeOfAny(
  context: LowerContext,
  extreme: Extreme,
  self: TensorValue,
  axes: readonly number[],
  keepdim: boolean,
): TensorValue {
  const result = reduce(context, `Reduce${extreme}`, self, axes, keepdim);
  if (!isFloating(self.dtype) || axes.length === 0) return result;
  return nanWhere(context, reduce(context, 'ReduceSum', nanDetector(context, self), axes, keepdim), result);
}

/** The first position of the extreme along an axis, or in the flattened tensor if `dim` is null. NaN is the extreme. */
function positionOf(
  context: LowerContext,
  extreme: Extreme,
  self: TensorValue,
  dim: number | null,
  keepdim: boolean,
): TensorValue {
  const { shape } = self.content;
  if (self.rank === 0) return context.scalar(0n, 'int64');
  if (dim === null) {
    const flat = context.reshape(self, [productOf(shape)]);
    const place = positionOf(context, extreme, flat, 0, false);
    return keepdim
      ? context.reshape(
          place,
          shape.map(() => 1),
        )
      : place;
  }
  const axis = context.axis(dim, self.rank);
  return context.node(`Arg${extreme}`, [orderKeys(context, self, extreme === 'Max' ? 1 : -1)], {
    dtype: 'int64',
    shape: reducedShape(shape, [axis], keepdim),
    attributes: { axis: int(axis), keepdims: flag(keepdim) },
  });
}

/** The elementwise extreme of two tensors. */
export function extremeOfTwo(
  context: LowerContext,
  extreme: Extreme,
  self: TensorValue,
  other: TensorValue,
): TensorValue {
  const dtype = resultType([self, other]);
  const [a, b] = [operandAs(context, self, dtype), operandAs(context, other, dtype)];
  if (dtype === 'bool') return binary(context, extreme === 'Max' ? 'Or' : 'And', a, b);
  const [x, y] = [dimsOf(context, a), dimsOf(context, b)];
  if (dtype === 'int64' && x?.length === 1 && y?.length === 1 && a.rank === b.rank) {
    const chosen = (extreme === 'Max' ? maxDims : minDims)(x[0] ?? 0, y[0] ?? 0);
    return context.elements([toScalar(chosen)], 'int64', a.content.shape as number[]);
  }
  return binary(context, extreme, a, b);
}

for (const [name, extreme] of [
  ['max', 'Max'],
  ['min', 'Min'],
] as const) {
  defineOp(
    `aten::${name}(Tensor self) -> Tensor`,
    (context, { self }) =>
      foldSizes(context, self, undefined, extreme === 'Max' ? maxDims : minDims) ??
      extremeOver(context, extreme, self, reducedAxes(context, self.rank, null), false),
  );
  defineOp(
    `aten::${name}.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)`,
    (context, { self, dim, keepdim }) => {
      const axis = context.axis(dim, self.rank);
      if (self.rank === 0) return [copyOf(self), context.scalar(0n, 'int64')];
      const place = positionOf(context, extreme, self, dim, true);
      const value = context.node('GatherElements', [self, place], {
        shape: place.content.shape,
        attributes: { axis: int(axis) },
        adapt: false,
      });
      if (keepdim) return [value, place];
      const shape = reducedShape(self.content.shape, [axis], false);
      return [context.reshape(value, shape), context.reshape(place, shape)];
    },
  );
  defineOp(`aten::${name}.other(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    extremeOfTwo(context, extreme, self, other),
  );
  defineOp(
    `aten::a${name}(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor`,
    (context, { self, dim, keepdim }) =>
      extremeOver(context, extreme, self, reducedAxes(context, self.rank, dim), keepdim),
  );
  defineOp(
    `aten::arg${name}(Tensor self, int? dim=None, bool keepdim=False) -> Tensor`,
    (context, { self, dim, keepdim }) => positionOf(context, extreme, self, dim, keepdim),
  );
}

defineOp(
  'aten::aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)',
  (context, { self, dim, keepdim }) => {
    const axes = reducedAxes(context, self.rank, dim === null ? null : [dim]);
    return [extremeOver(context, 'Min', self, axes, keepdim), extremeOver(context, 'Max', self, axes, keepdim)];
  },
);
