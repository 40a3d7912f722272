import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { addDims, floorDivDims, maxDims, productOf, subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { choose } from '../../arithmetic.ts';
import { flag, int } from '../../attributes.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { toDim } from '../../dims.ts';
import { guardEmpty } from '../../empty-guard.ts';
import { isNan, orderKeys } from '../../nan.ts';
import { lowestOf } from '../../number-range.ts';
import { scatterElements } from '../../scatter.ts';
import { readSelect } from '../../slicing.ts';
import { reduce } from './reduce.ts';

const { ops, defineOp } = opFamily('reduction');

/** Sorting and operators made of it. */
export const ordering = ops;

/** The `count` largest or smallest elements of an axis and their positions. Equal elements stay in order. NaN is the largest. */
function topK(
  context: LowerContext,
  self: TensorValue,
  axis: number,
  count: Dim,
  largest: boolean,
  sorted = true,
): [TensorValue, TensorValue] {
  if (self.rank === 0) return [copyOf(self), context.scalar(0n, 'int64')];
  const input = self.dtype === 'bool' ? context.cast(self, 'uint8') : orderKeys(context, self, 1);
  const shape = self.content.shape.with(axis, count);
  const types = [
    { dtype: input.dtype, shape },
    { dtype: 'int64', shape },
  ] as const;
  const attributes = { axis: int(axis), largest: flag(largest), sorted: flag(sorted) };
  const others = self.content.shape.toSpliced(axis, 1);
  // The kernel divides by the number of rows.
  const [values, indices] = guardEmpty(context, others, {
    types,
    run: () => context.nodes('TopK', [input, context.ints([count])], types, { attributes }),
  });
  if (values === undefined || indices === undefined) return context.unsupported('TopK without results');
  if (!isFloating(self.dtype)) return [context.cast(values, self.dtype), indices];
  return [context.node('GatherElements', [self, indices], { shape, attributes: { axis: int(axis) } }), indices];
}

defineOp(
  'aten::topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)',
  (context, { self, k, dim, largest, sorted }) => topK(context, self, context.axis(dim, self.rank), k, largest, sorted),
);

/** Sorts an axis. Equal elements always stay in order. PyTorch guarantees this only for `stable`. */
function sort(context: LowerContext, self: TensorValue, dim: number, descending: boolean): [TensorValue, TensorValue] {
  const axis = context.axis(dim, self.rank);
  return topK(context, self, axis, self.content.shape[axis] ?? 1, descending);
}

defineOp(
  'aten::sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)',
  (context, { self, dim, descending }) => sort(context, self, dim, descending),
);
defineOp(
  'aten::sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)',
  (context, { self, dim, descending }) => sort(context, self, dim, descending),
);
defineOp(
  'aten::argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor',
  (context, { self, dim, descending }) => sort(context, self, dim, descending)[1],
);
defineOp(
  'aten::argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor',
  (context, { self, dim, descending }) => sort(context, self, dim, descending)[1],
);
defineOp('aten::msort(Tensor self) -> Tensor', (context, { self }) => sort(context, self, 0, false)[0]);

/** The k-th smallest element of an axis (k starts at 1) and its position. */
function kthSmallest(context: LowerContext, self: TensorValue, dim: number, k: Dim, keepdim: boolean): TensorValue[] {
  if (self.rank === 0) return [copyOf(self), context.scalar(0n, 'int64')];
  const axis = context.axis(dim, self.rank);
  const at = subDims(k, 1);
  return topK(context, self, axis, k, false).map((tensor) => {
    const one = readSelect(context, tensor, axis, at);
    return copyOf(keepdim ? context.reshape(one, self.content.shape.with(axis, 1)) : one);
  });
}

/** The lower median of an axis and its position: the first NaN if the axis has one. */
function median(context: LowerContext, self: TensorValue, dim: number, keepdim: boolean): TensorValue[] {
  const axis = context.axis(dim, self.rank);
  const [middle = self, place = self] = kthSmallest(
    context,
    self,
    dim,
    medianRank(self.content.shape[axis] ?? 1),
    keepdim,
  );
  if (!isFloating(self.dtype) || self.rank === 0) return [middle, place];
  const holes = context.cast(isNan(context, self), 'int32');
  const { shape } = place.content;
  const hasHole = context.cast(reduce(context, 'ReduceMax', holes, [axis], keepdim), 'bool');
  const attributes = { axis: int(axis), keepdims: flag(keepdim) };
  const first = context.node('ArgMax', [holes], { dtype: 'int64', shape, attributes });
  return [choose(context, hasHole, context.scalar(NaN, self.dtype), middle), choose(context, hasHole, first, place)];
}

/** The rank of the lower median of `count` elements. Ranks start at 1. */
const medianRank = (count: Dim): Dim => addDims(floorDivDims(subDims(count, 1), 2), 1);

defineOp(
  'aten::kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)',
  (context, { self, k, dim, keepdim }) => kthSmallest(context, self, dim, k, keepdim),
);
defineOp('aten::median(Tensor self) -> Tensor', (context, { self }) => {
  const count = productOf(self.content.shape);
  const flat = context.reshape(self, [count]);
  return guardEmpty(context, [count], {
    types: [{ dtype: self.dtype, shape: [] }],
    run: () => median(context, flat, 0, false).slice(0, 1),
    empty: () => [context.scalar(isFloating(self.dtype) ? NaN : lowestOf(self.dtype), self.dtype)],
  })[0];
});
defineOp(
  'aten::median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)',
  (context, { self, dim, keepdim }) => median(context, self, dim, keepdim),
);

defineOp(
  'aten::bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor',
  (context, { self, weights, minlength }) => {
    const numbers = context.cast(self, 'int64');
    const largest = toDim(context.item(reduce(context, 'ReduceMax', numbers, [0], false))) ?? 0;
    const size = maxDims(addDims(largest, 1), minlength);
    const dtype = weights === null ? 'int64' : weights.dtype === 'float32' ? 'float32' : 'float64';
    const updates =
      weights === null
        ? context.expand(context.scalar(1n, dtype), numbers.content.shape)
        : context.cast(weights, dtype);
    return scatterElements(context, context.expand(context.scalar(0n, dtype), [size]), 0, numbers, updates, 'add');
  },
);
