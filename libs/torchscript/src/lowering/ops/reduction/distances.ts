import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isLess, maxDims } from '../../../symbolic/sym-int.ts';
import { SymBool, type Scalar, type TensorValue } from '../../../symbolic/values.ts';
import { binary } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { rangeOf } from '../../dims.ts';
import { matmul } from '../../matmul.ts';
import { floatType, operandAs, resultType } from '../../promotion.ts';
import { vectorNorm } from './norms.ts';
import { sumOver } from './reduce.ts';

const { ops, defineOp } = opFamily('reduction');

/** Distances and similarities between vectors. */
export const distances = ops;

/** Both tensors in the floating dtype to which they promote. */
function promotedFloats(context: LowerContext, a: TensorValue, b: TensorValue): [TensorValue, TensorValue] {
  const dtype = floatType(resultType([a, b]));
  return [operandAs(context, a, dtype), operandAs(context, b, dtype)];
}

/** The cosine of the angle between vectors along an axis of the common broadcast shape. */
export function cosineSimilarity(
  context: LowerContext,
  a: TensorValue,
  b: TensorValue,
  dim: number,
  eps: number,
): TensorValue {
  const [x, y] = promotedFloats(context, a, b);
  const rank = Math.max(x.rank, y.rank);
  const axis = context.axis(dim, rank);
  const unit = (vectors: TensorValue): TensorValue => {
    const own = axis - rank + vectors.rank;
    if (own < 0)
      return context.unsupported(
        'cosine_similarity() along an axis that one input does not have',
        'unsqueeze() it first',
      );
    const length = vectorNorm(context, vectors, 2, [own], true);
    return binary(context, 'Div', vectors, binary(context, 'Max', length, context.scalar(eps, vectors.dtype)));
  };
  const product = binary(context, 'Mul', unit(x), unit(y));
  return sumOver(context, product, rank === 0 ? [] : [axis]);
}

defineOp(
  'aten::cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor',
  (context, { x1, x2, dim, eps }) => cosineSimilarity(context, x1, x2, dim, eps),
);

/** The p-norm of the difference along the last axis. */
export function pairwiseDistance(
  context: LowerContext,
  a: TensorValue,
  b: TensorValue,
  p: number,
  eps: number,
  keepdim: boolean,
): TensorValue {
  const [x, y] = promotedFloats(context, a, b);
  const difference = binary(context, 'Sub', x, y);
  const moved = binary(context, 'Add', difference, context.scalar(eps, difference.dtype));
  return vectorNorm(context, moved, p, [moved.rank - 1], keepdim);
}

defineOp(
  'aten::pairwise_distance(Tensor x1, Tensor x2, float p=2., float eps=9.9999999999999995e-07, bool keepdim=False) -> Tensor',
  (context, { x1, x2, p, eps, keepdim }) => pairwiseDistance(context, x1, x2, p, eps, keepdim),
);

defineOp('aten::dist(Tensor self, Tensor other, Scalar p=2) -> Tensor', (context, { self, other, p }) => {
  const [x, y] = promotedFloats(context, self, other);
  const difference = binary(context, 'Sub', x, y);
  return vectorNorm(context, difference, orderOf(context, p), rangeOf(difference.rank), false);
});

function orderOf(context: LowerContext, p: Scalar): number {
  if (typeof p === 'number' || typeof p === 'bigint') return Number(p);
  return context.unsupported('a distance whose order p is known only at run time', 'give p as a number');
}

/** Above this number of rows PyTorch computes Euclidean distances by a matrix product. The lowering does the same. */
const MANY_ROWS = 25;

/** Distances between all rows of `x1` and all rows of `x2`. `mode` 1 forces the matrix product, 2 forbids it. */
function crossDistances(
  context: LowerContext,
  x1: TensorValue,
  x2: TensorValue,
  p: number,
  mode: number | null,
): TensorValue {
  const [x, y] = promotedFloats(context, x1, x2);
  const [rows, others] = [x.content.shape.at(-2) ?? 1, y.content.shape.at(-2) ?? 1];
  if (p !== 2 || mode === 2) return byDifference(context, x, y, p);
  if (mode === 1) return byProduct(context, x, y);
  const larger = context.resolve(maxDims(rows, others));
  if (isLess(MANY_ROWS, larger) === true) return byProduct(context, x, y);
  const few = isLess(larger, MANY_ROWS + 1);
  if (few === true) return byDifference(context, x, y, p);
  const isMany = new SymBool({ kind: 'compare', op: 'lt', a: MANY_ROWS, b: larger });
  const [chosen] = context.either(
    isMany,
    () => [byProduct(context, x, y)],
    () => [byDifference(context, x, y, p)],
  );
  return chosen ?? x;
}

/** The p-norms of the differences. Exact for near points; memory grows with the product of both numbers of rows. */
function byDifference(context: LowerContext, x: TensorValue, y: TensorValue, p: number): TensorValue {
  // Unlike Reshape, Unsqueeze needs no sizes. So either side may have no row.
  const unsqueezed = (tensor: TensorValue, axis: number): TensorValue =>
    context.node('Unsqueeze', [tensor, context.ints([axis])], {
      shape: tensor.content.shape.toSpliced(axis, 0, 1),
      adapt: false,
    });
  const difference = binary(context, 'Sub', unsqueezed(x, x.rank - 1), unsqueezed(y, y.rank - 2));
  return vectorNorm(context, difference, p, [difference.rank - 1], false);
}

/** Euclidean distances by `x² + y² − 2xy`. */
function byProduct(context: LowerContext, x: TensorValue, y: TensorValue): TensorValue {
  const squares = (rowsOf: TensorValue): TensorValue =>
    sumOver(context, binary(context, 'Mul', rowsOf, rowsOf), [rowsOf.rank - 1], true);
  const flipped = (tensor: TensorValue): TensorValue => {
    const axes = rangeOf(tensor.rank);
    return context.transpose(tensor, [...axes.slice(0, -2), tensor.rank - 1, tensor.rank - 2]);
  };
  const products = binary(context, 'Mul', matmul(context, x, flipped(y)), context.scalar(-2, x.dtype));
  const sum = binary(context, 'Add', binary(context, 'Add', products, squares(x)), flipped(squares(y)));
  return context.node('Sqrt', [binary(context, 'Max', sum, context.scalar(0, x.dtype))]);
}

defineOp(
  'aten::cdist(Tensor x1, Tensor x2, float p=2., int? compute_mode=None) -> Tensor',
  (context, { x1, x2, p, compute_mode }) => crossDistances(context, x1, x2, p, compute_mode),
);
defineOp(
  'aten::_cdist_forward(Tensor x1, Tensor x2, float p, int? compute_mode) -> Tensor',
  (context, { x1, x2, p, compute_mode }) => crossDistances(context, x1, x2, p, compute_mode),
);
