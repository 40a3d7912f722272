import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, mulDims } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { binary, choose } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { asFloat } from '../../promotion.ts';
import { diagonalView } from '../shape/diagonals.ts';
import { accumulatedType, floatingOnly, foldSizes, meanOver, reduce, reducedAxes, sumOver } from './reduce.ts';

const { ops, defineOp } = opFamily('reduction');

/** Sums, products, means, `any` and `all` over axes. */
export const totals = ops;

type Axes = readonly number[] | null;

function sum(
  context: LowerContext,
  self: TensorValue,
  dim: Axes,
  keepdim: boolean,
  dtype: ScalarType | null,
): TensorValue {
  const cast = context.cast(self, dtype ?? accumulatedType(self.dtype));
  const axes = reducedAxes(context, self.rank, dim);
  const folded = keepdim ? undefined : foldSizes(context, cast, 0, addDims);
  return folded ?? sumOver(context, cast, axes, keepdim);
}

defineOp('aten::sum(Tensor self, *, ScalarType? dtype=None) -> Tensor', (context, { self, dtype }) =>
  sum(context, self, null, false, dtype),
);
defineOp(
  'aten::sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, dim, keepdim, dtype }) => sum(context, self, dim, keepdim, dtype),
);

/** The tensor with every NaN replaced by 0. */
function withoutNan(context: LowerContext, self: TensorValue): TensorValue {
  if (accumulatedType(self.dtype) === 'int64') return self;
  const isNan = context.node('IsNaN', [self], { dtype: 'bool' });
  return choose(context, isNan, context.scalar(0, self.dtype), self);
}

defineOp(
  'aten::nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, dim, keepdim, dtype }) => sum(context, withoutNan(context, self), dim, keepdim, dtype),
);

defineOp(
  'aten::nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, dim, keepdim, dtype }) => {
    const cast = dtype === null ? floatingOnly(context, self, 'nanmean()') : context.cast(self, dtype);
    const axes = reducedAxes(context, self.rank, dim);
    const counted = context.cast(context.node('Not', [context.node('IsNaN', [cast], { dtype: 'bool' })]), cast.dtype);
    const total = sumOver(context, withoutNan(context, cast), axes, keepdim);
    return binary(context, 'Div', total, sumOver(context, counted, axes, keepdim));
  },
);

function mean(
  context: LowerContext,
  self: TensorValue,
  dim: Axes,
  keepdim: boolean,
  dtype: ScalarType | null,
): TensorValue {
  const cast = dtype === null ? self : context.cast(self, dtype);
  const axes = reducedAxes(context, self.rank, dim);
  return meanOver(context, floatingOnly(context, cast, 'mean()'), axes, keepdim);
}

defineOp('aten::mean(Tensor self, *, ScalarType? dtype=None) -> Tensor', (context, { self, dtype }) =>
  mean(context, self, null, false, dtype),
);
defineOp(
  'aten::mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, dim, keepdim, dtype }) => mean(context, self, dim, keepdim, dtype),
);

function product(
  context: LowerContext,
  self: TensorValue,
  dim: Axes,
  keepdim: boolean,
  dtype: ScalarType | null,
): TensorValue {
  const cast = context.cast(self, dtype ?? accumulatedType(self.dtype));
  const axes = reducedAxes(context, self.rank, dim);
  const folded = keepdim ? undefined : foldSizes(context, cast, 1, mulDims);
  return folded ?? reduce(context, 'ReduceProd', cast, axes, keepdim);
}

defineOp('aten::prod(Tensor self, *, ScalarType? dtype=None) -> Tensor', (context, { self, dtype }) =>
  product(context, self, null, false, dtype),
);
defineOp(
  'aten::prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, dim, keepdim, dtype }) => product(context, self, [dim], keepdim, dtype),
);

/** Tells whether any element (`ReduceMax`) is not 0, or whether all elements (`ReduceMin`) are not 0. */
function anyOrAll(
  context: LowerContext,
  opType: 'ReduceMax' | 'ReduceMin',
  self: TensorValue,
  dim: Axes,
  keepdim: boolean,
): TensorValue {
  const elements = context.elementsOf(self);
  const axes = reducedAxes(context, self.rank, dim);
  // In PyTorch any() and all() return bool for every dtype except uint8.
  const dtype: ScalarType = self.dtype === 'uint8' ? 'uint8' : 'bool';
  if (
    elements !== undefined &&
    !keepdim &&
    self.rank <= 1 &&
    elements.every((element) => typeof element !== 'object')
  ) {
    const holds =
      opType === 'ReduceMax' ? elements.some((e) => Number(e) !== 0) : elements.every((e) => Number(e) !== 0);
    return context.scalar(holds, dtype);
  }
  // Computed in uint8: an empty tensor gives the maximum 0 and the minimum 255, so any() and all() are correct.
  const numbers = context.cast(context.cast(self, 'bool'), 'uint8');
  return context.cast(context.cast(reduce(context, opType, numbers, axes, keepdim), 'bool'), dtype);
}

for (const [name, opType] of [
  ['any', 'ReduceMax'],
  ['all', 'ReduceMin'],
] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => anyOrAll(context, opType, self, null, false));
  defineOp(`aten::${name}.dim(Tensor self, int dim, bool keepdim=False) -> Tensor`, (context, { self, dim, keepdim }) =>
    anyOrAll(context, opType, self, [dim], keepdim),
  );
  defineOp(
    `aten::${name}.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor`,
    (context, { self, dim, keepdim }) => anyOrAll(context, opType, self, dim, keepdim),
  );
}

const countNonzero = (context: LowerContext, self: TensorValue, dim: Axes): TensorValue =>
  sumOver(context, context.cast(context.cast(self, 'bool'), 'int64'), reducedAxes(context, self.rank, dim));

defineOp('aten::count_nonzero(Tensor self, int? dim=None) -> Tensor', (context, { self, dim }) =>
  countNonzero(context, self, dim === null ? null : [dim]),
);
defineOp('aten::count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor', (context, { self, dim }) =>
  countNonzero(context, self, dim),
);

for (const name of ['logsumexp', 'special_logsumexp'] as const) {
  defineOp(`aten::${name}(Tensor self, int[1] dim, bool keepdim=False) -> Tensor`, (context, { self, dim, keepdim }) =>
    reduce(context, 'ReduceLogSumExp', asFloat(context, self), reducedAxes(context, self.rank, dim), keepdim),
  );
}

defineOp('aten::trace(Tensor self) -> Tensor', (context, { self }) =>
  sum(context, diagonalView(context, self, 0, 0, 1), null, false, null),
);
