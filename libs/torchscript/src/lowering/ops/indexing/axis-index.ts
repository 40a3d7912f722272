import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating, isIntegral } from '../../../symbolic/onnx-types.ts';
import { productOf, sameDim, type Dim } from '../../../symbolic/sym-int.ts';
import type { Scalar, TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { binary, choose, compare } from '../../arithmetic.ts';
import { int } from '../../attributes.ts';
import { broadcastShapes } from '../../broadcast.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { toScalar } from '../../dims.ts';
import { isNan } from '../../nan.ts';
import { highestOf, lowestOf } from '../../number-range.ts';
import { scatterElements, type ScatterReduction } from '../../scatter.ts';
import { pick } from './advanced-index.ts';

const { ops, defineOp } = opFamily('indexing');

/** Operators that read and write elements along one axis: index_select, gather, scatter and related operators. */
export const axisIndex = ops;

/** These operators treat a 0-d tensor as a vector of one element. */
function vector(context: LowerContext, tensor: TensorValue): TensorValue {
  return tensor.rank === 0 ? context.reshape(tensor, [1]) : tensor;
}

defineOp('aten::index_select(Tensor self, int dim, Tensor index) -> Tensor', (context, { self, dim, index }) => {
  const axis = context.axis(dim, self.rank);
  requireIntegers(context, index);
  if (self.rank === 0) return copyOf(self);
  return pick(context, self, axis, notNegative(context, vector(context, index), self.shape[axis] ?? 1));
});

/** Indices of which a negative one is out of range. ONNX counts it from the end, and these operators of PyTorch refuse it. */
export function notNegative(context: LowerContext, indices: TensorValue, size: Dim): TensorValue {
  if (context.elementsOf(indices)?.every((index) => typeof index === 'bigint' && index >= 0n) === true) return indices;
  const wide = context.cast(indices, 'int64');
  const isNegative = compare(context, 'Less', wide, context.scalar(0n, 'int64'));
  return choose(context, isNegative, context.scalar(toScalar(size), 'int64'), wide);
}

defineOp(
  'aten::embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor',
  (context, { weight, indices }) => {
    requireIntegers(context, indices);
    return context.node('Gather', [weight, notNegative(context, indices, weight.shape[0] ?? 1)], {
      shape: [...indices.content.shape, ...weight.content.shape.slice(1)],
      attributes: { axis: int(0) },
      adapt: false,
    });
  },
);

/** Refuses indices that are not integers. For an input of unknown dtype the refusal excludes the floating dtypes. */
function requireIntegers(context: LowerContext, index: TensorValue): void {
  if (isIntegral(index.dtype)) return;
  context.unsupported(`indices of dtype ${index.dtype}`, 'indices must be integers: pass an int64 tensor');
}

/** Expands `index`, a vector, to the slices of `shape` along `axis`. */
function spreadIndex(context: LowerContext, index: TensorValue, axis: number, shape: readonly Dim[]): TensorValue {
  const along = shape.map((_, i): Dim => (i === axis ? (index.content.shape[0] ?? 1) : 1));
  const full = shape.with(axis, index.content.shape[0] ?? 1);
  return context.expand(context.reshape(context.cast(index, 'int64'), along), full);
}

/** Replaces the slices of `self` at the positions in a vector by `source`, or combines them with it. */
function writeSlices(
  context: LowerContext,
  self: TensorValue,
  dim: number,
  index: TensorValue,
  source: TensorValue,
  reduction: ScatterReduction,
): TensorValue {
  const base = vector(context, self);
  const axis = context.axis(dim, base.rank);
  const places = spreadIndex(context, vector(context, index), axis, base.content.shape);
  const updates = context.expand(vector(context, context.cast(source, self.dtype)), places.content.shape);
  return context.reshape(scatterElements(context, base, axis, places, updates, reduction), self.content.shape);
}

defineOp(
  'aten::index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor',
  (context, { self, dim, index, value }) => writeSlices(context, self, dim, index, value, 'none'),
);
defineOp(
  'aten::index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor',
  (context, { self, dim, index, value }) =>
    writeSlices(context, self, dim, index, context.scalar(value, self.dtype), 'none'),
);
defineOp(
  'aten::index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor',
  (context, { self, dim, index, source }) => writeSlices(context, self, dim, index, source, 'none'),
);
defineOp(
  'aten::index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor',
  (context, { self, dim, index, source, alpha }) =>
    writeSlices(context, self, dim, index, scaled(context, source, alpha), 'add'),
);

function scaled(context: LowerContext, tensor: TensorValue, factor: Scalar): TensorValue {
  if (factor === 1n || factor === 1) return tensor;
  return binary(context, 'Mul', tensor, context.scalar(factor, tensor.dtype));
}

/** `torch.gather` along an axis. */
export function gather(context: LowerContext, self: TensorValue, dim: number, index: TensorValue): TensorValue {
  const [base, places] = [vector(context, self), vector(context, index)];
  const picked = context.node('GatherElements', [base, context.cast(places, 'int64')], {
    shape: places.content.shape,
    attributes: { axis: int(context.axis(dim, base.rank)) },
    adapt: false,
  });
  return context.reshape(picked, index.content.shape);
}

defineOp(
  'aten::gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor',
  (context, { self, dim, index }) => {
    requireIntegers(context, index);
    return gather(context, self, dim, index);
  },
);

defineOp(
  'aten::take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor',
  (context, { self, indices, dim }) => {
    if (dim === null) return gather(context, flattened(context, self), 0, flattened(context, indices));
    const axis = context.axis(dim, self.rank);
    const batch = (shape: readonly Dim[]): Dim[] => shape.with(axis, 1);
    const common = broadcastShapes(context, batch(self.content.shape), batch(indices.content.shape));
    const along = (tensor: TensorValue): TensorValue =>
      context.expand(tensor, common.with(axis, tensor.content.shape[axis] ?? 1));
    return gather(context, along(self), axis, along(indices));
  },
);

/** The tensor as a vector of all elements in row-major order. */
export const flattened = (context: LowerContext, tensor: TensorValue): TensorValue =>
  context.reshape(tensor, [productOf(tensor.content.shape)]);

defineOp('aten::take(Tensor self, Tensor index) -> Tensor', (context, { self, index }) =>
  pick(context, flattened(context, self), 0, index),
);
defineOp(
  'aten::put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor',
  (context, { self, index, source, accumulate }) => {
    const updates = context.cast(flattened(context, source), self.dtype);
    const written = scatterElements(
      context,
      flattened(context, self),
      0,
      flattened(context, index),
      updates,
      accumulate ? 'add' : 'none',
    );
    return context.reshape(written, self.content.shape);
  },
);

/** `torch.scatter`. `src` may be larger than `index`; only its part of the shape of `index` is used. */
function scatter(
  context: LowerContext,
  self: TensorValue,
  dim: number,
  index: TensorValue,
  src: TensorValue,
  reduction: ScatterReduction = 'none',
): TensorValue {
  const [base, places] = [vector(context, self), vector(context, index)];
  const axis = context.axis(dim, base.rank);
  const { shape } = places.content;
  const source = vector(context, context.cast(src, self.dtype));
  const updates =
    src.rank === 0 && index.rank > 0
      ? context.expand(source, shape)
      : shape.reduce<TensorValue>(
          (tensor, size, i) =>
            sameDim(tensor.content.shape[i] ?? 1, size) ? tensor : context.slice(tensor, i, 0, size, 1, size),
          source,
        );
  return context.reshape(scatterElements(context, base, axis, places, updates, reduction), self.content.shape);
}

/** A tensor of the shape of `index`, filled with a number. */
const filledLike = (context: LowerContext, index: TensorValue, value: Scalar, self: TensorValue): TensorValue =>
  context.expand(context.scalar(value, self.dtype), index.content.shape);

function reductionOf(context: LowerContext, reduce: string): ScatterReduction {
  if (reduce === 'add') return 'add';
  return reduce === 'multiply'
    ? 'mul'
    : context.unsupported(`scatter() with reduce “${reduce}”`, 'use scatter_reduce()');
}

defineOp(
  'aten::scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor',
  (context, { self, dim, index, src, reduce }) => scatter(context, self, dim, index, src, reductionOf(context, reduce)),
);
defineOp(
  'aten::scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor',
  (context, { self, dim, index, value, reduce }) =>
    scatter(context, self, dim, index, filledLike(context, index, value, self), reductionOf(context, reduce)),
);
defineOp(
  'aten::scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor',
  (context, { self, dim, index, src }) => scatter(context, self, dim, index, src),
);
defineOp(
  'aten::scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor',
  (context, { self, dim, index, value }) => scatter(context, self, dim, index, filledLike(context, index, value, self)),
);
defineOp(
  'aten::scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor',
  (context, { self, dim, index, src }) => scatter(context, self, dim, index, src, 'add'),
);

/** The reductions of `scatter_reduce`, with their neutral element. */
const REDUCTIONS: Readonly<
  Record<string, { readonly reduction: ScatterReduction; readonly neutral: (dtype: ScalarType) => number | bigint }>
> = {
  sum: { reduction: 'add', neutral: () => 0n },
  mean: { reduction: 'add', neutral: () => 0n },
  prod: { reduction: 'mul', neutral: () => 1n },
  amax: { reduction: 'max', neutral: lowestOf },
  amin: { reduction: 'min', neutral: highestOf },
};

defineOp(
  'aten::scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor',
  (context, { self, dim, index, src, reduce, include_self }) => {
    const kind = REDUCTIONS[reduce];
    if (kind === undefined)
      return context.unsupported(`scatter_reduce() with reduce “${reduce}”`, 'use sum, prod, mean, amax or amin');
    const neutral = filledLike(context, index, kind.neutral(self.dtype), self);
    const start = include_self ? self : scatter(context, self, dim, index, neutral);
    const reduced = reduceInto(context, { start, dim, index, src, reduction: kind.reduction });
    if (reduce !== 'mean') return reduced;
    const one = (tensor: TensorValue): TensorValue => filledLike(context, tensor, 1n, self);
    const counts = include_self ? one(self) : filledLike(context, self, 0n, self);
    const counted = scatter(context, counts, dim, index, one(index), 'add');
    const divisor = choose(
      context,
      compare(context, 'Equal', counted, context.scalar(0n, self.dtype)),
      one(self),
      counted,
    );
    return floorDivide(context, reduced, divisor);
  },
);

interface Reduction {
  readonly start: TensorValue;
  readonly dim: number;
  readonly index: TensorValue;
  readonly src: TensorValue;
  readonly reduction: ScatterReduction;
}

/** Combines the elements of `src` with those of `start`. An extreme of numbers of which one is NaN is NaN. */
function reduceInto(context: LowerContext, { start, dim, index, src, reduction }: Reduction): TensorValue {
  const reduced = scatter(context, start, dim, index, src, reduction);
  if ((reduction !== 'max' && reduction !== 'min') || !isFloating(start.dtype)) return reduced;
  const [before, written] = [start, src].map((tensor) => context.cast(isNan(context, tensor), 'int32'));
  if (before === undefined || written === undefined) return reduced;
  const holes = context.cast(scatter(context, before, dim, index, written, 'max'), 'bool');
  return choose(context, holes, context.scalar(NaN, start.dtype), reduced);
}

/** The quotient. Of integers it is rounded down. */
function floorDivide(context: LowerContext, a: TensorValue, b: TensorValue): TensorValue {
  const whole = !a.dtype.includes('float');
  if (!whole) return binary(context, 'Div', a, b);
  return binary(context, 'Div', binary(context, 'Sub', a, binary(context, 'Mod', a, b)), b);
}
