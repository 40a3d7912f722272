import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, floorDivDims, maxDims, productOf, subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { flag, int } from '../../attributes.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { toDim } from '../../dims.ts';
import { guardEmpty } from '../../empty-guard.ts';
import { scatterElements } from '../../scatter.ts';
import { readSelect } from '../../slicing.ts';
import { reduce } from './reduce.ts';

const { ops, defineOp } = opFamily('reduction');

/** Sorting and operators made of it. */
export const ordering = ops;

/** The `count` largest or smallest elements of an axis and their positions. Equal elements stay in order. */
function topK(
  context: LowerContext,
  self: TensorValue,
  axis: number,
  count: Dim,
  largest: boolean,
  sorted = true,
): [TensorValue, TensorValue] {
  if (self.rank === 0) return [copyOf(self), context.scalar(0n, 'int64')];
  const input = self.dtype === 'bool' ? context.cast(self, 'uint8') : self;
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
  return [context.cast(values, self.dtype), indices];
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

const NAN = { limits: 'NaN may be sorted to another position' };

defineOp(
  'aten::sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)',
  (context, { self, dim, descending }) => sort(context, self, dim, descending),
  NAN,
);
defineOp(
  'aten::sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)',
  (context, { self, dim, descending }) => sort(context, self, dim, descending),
  NAN,
);
defineOp(
  'aten::argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor',
  (context, { self, dim, descending }) => sort(context, self, dim, descending)[1],
  NAN,
);
defineOp(
  'aten::argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor',
  (context, { self, dim, descending }) => sort(context, self, dim, descending)[1],
  NAN,
);
defineOp('aten::msort(Tensor self) -> Tensor', (context, { self }) => sort(context, self, 0, false)[0], NAN);

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

/** The rank of the lower median of `count` elements. Ranks start at 1. */
const medianRank = (count: Dim): Dim => addDims(floorDivDims(subDims(count, 1), 2), 1);

defineOp(
  'aten::kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)',
  (context, { self, k, dim, keepdim }) => kthSmallest(context, self, dim, k, keepdim),
  NAN,
);
defineOp(
  'aten::median(Tensor self) -> Tensor',
  (context, { self }) => {
    const count = productOf(self.content.shape);
    return kthSmallest(context, context.reshape(self, [count]), 0, medianRank(count), false)[0];
  },
  NAN,
);
defineOp(
  'aten::median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)',
  (context, { self, dim, keepdim }) =>
    kthSmallest(context, self, dim, medianRank(self.content.shape[context.axis(dim, self.rank)] ?? 1), keepdim),
  NAN,
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
