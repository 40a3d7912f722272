import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { type Scalar, type TensorValue } from '../../../symbolic/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { binary } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { rangeOf } from '../../dims.ts';
import { extremeOver } from './extremes.ts';
import { floatingOnly, reduce, reducedAxes, sumOver } from './reduce.ts';

const { ops, defineOp } = opFamily('reduction');

/** Norms of vectors and matrices. */
export const norms = ops;

/** The order of a norm as a number. */
function orderOf(context: LowerContext, order: Scalar): number {
  if (typeof order === 'number' || typeof order === 'bigint') return Number(order);
  return context.unsupported('a norm whose order is known only at run time', 'give the order as a number');
}

/** The norm of the vectors along `axes`. Over all axes it is the norm of all elements. */
export function vectorNorm(
  context: LowerContext,
  self: TensorValue,
  order: number,
  axes: readonly number[],
  keepdim: boolean,
): TensorValue {
  switch (order) {
    case 0: {
      const isNot0 = context.cast(self, 'bool');
      return sumOver(context, context.cast(isNot0, self.dtype), axes, keepdim);
    }
    case 1:
      return reduce(context, 'ReduceL1', self, axes, keepdim);
    case 2:
      return reduce(context, 'ReduceL2', self, axes, keepdim);
    case Infinity:
      return extremeOver(context, 'Max', context.node('Abs', [self]), axes, keepdim);
    case -Infinity:
      return extremeOver(context, 'Min', context.node('Abs', [self]), axes, keepdim);
    default: {
      const powers = binary(context, 'Pow', context.node('Abs', [self]), context.scalar(order, self.dtype));
      return binary(context, 'Pow', sumOver(context, powers, axes, keepdim), context.scalar(1 / order, self.dtype));
    }
  }
}

/** The operand of a norm in the requested dtype. */
function operand(context: LowerContext, self: TensorValue, dtype: ScalarType | null): TensorValue {
  return floatingOnly(context, dtype === null ? self : context.cast(self, dtype), 'a norm');
}

/** A norm with the arguments of `torch.norm` and related operators. */
function norm(
  context: LowerContext,
  input: TensorValue,
  p: Scalar | null,
  dim: readonly number[] | null,
  keepdim: boolean,
  dtype: ScalarType | null = null,
): TensorValue {
  const self = operand(context, input, dtype);
  return vectorNorm(context, self, p === null ? 2 : orderOf(context, p), reducedAxes(context, self.rank, dim), keepdim);
}

defineOp(
  'aten::norm.ScalarOpt_dtype(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor',
  (context, { self, p, dtype }) => norm(context, self, p, null, false, dtype),
);
defineOp('aten::norm.Scalar(Tensor self, Scalar p=2) -> Tensor', (context, { self, p }) =>
  norm(context, self, p, null, false),
);
defineOp(
  'aten::norm.ScalarOpt_dim_dtype(Tensor self, Scalar? p, int[1] dim, bool keepdim, *, ScalarType dtype) -> Tensor',
  (context, { self, p, dim, keepdim, dtype }) => norm(context, self, p, dim, keepdim, dtype),
);
defineOp(
  'aten::norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor',
  (context, { self, p, dim, keepdim }) => norm(context, self, p, dim, keepdim),
);
defineOp(
  'aten::linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, ord, dim, keepdim, dtype }) => norm(context, self, ord, dim, keepdim, dtype),
);
defineOp('aten::frobenius_norm(Tensor self) -> Tensor', (context, { self }) => norm(context, self, 2n, null, false));
defineOp(
  'aten::frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor',
  (context, { self, dim, keepdim }) => norm(context, self, 2n, dim, keepdim),
);

const SINGULAR = 'norms made of singular values are not supported: use the Frobenius norm';

/** The norm of the matrices in two axes. */
function matrixNorm(
  context: LowerContext,
  self: TensorValue,
  order: number | string,
  dims: readonly number[],
  keepdim: boolean,
): TensorValue {
  const [rows = 0, columns = 1] = dims.map((dim) => context.axis(dim, self.rank));
  if (order === 'fro') return vectorNorm(context, self, 2, [rows, columns], keepdim);
  if (typeof order === 'string' || ![1, Infinity].includes(Math.abs(order))) {
    return context.unsupported(`a matrix norm of order ${order}`, SINGULAR);
  }
  // For order 1 the columns are summed, for infinity the rows. The norm is the largest or smallest of these sums.
  const [inner, outer] = Math.abs(order) === 1 ? [rows, columns] : [columns, rows];
  const sums = reduce(context, 'ReduceL1', self, [inner], true);
  const result = extremeOver(context, order > 0 ? 'Max' : 'Min', sums, [outer], true);
  if (keepdim) return result;
  return context.reshape(
    result,
    self.content.shape.filter((_, axis) => axis !== rows && axis !== columns),
  );
}

const MATRIX = { limits: 'norms made of singular values (2, -2, nuc) are refused' };

defineOp(
  'aten::linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor',
  (context, { self: input, ord, dim, keepdim, dtype }) => {
    const self = operand(context, input, dtype);
    const axes = dim ?? rangeOf(self.rank);
    if (ord === null || axes.length === 1) return norm(context, self, ord, dim, keepdim);
    return matrixNorm(context, self, orderOf(context, ord), axes, keepdim);
  },
  MATRIX,
);
defineOp(
  'aten::linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, ord, dim, keepdim, dtype }) =>
    matrixNorm(context, operand(context, self, dtype), ord, dim ?? [0, 1], keepdim),
  MATRIX,
);
defineOp(
  'aten::linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, ord, dim, keepdim, dtype }) =>
    matrixNorm(context, operand(context, self, dtype), orderOf(context, ord), dim, keepdim),
  MATRIX,
);
defineOp(
  'aten::linalg_matrix_norm.str_ord(Tensor self, str ord="fro", int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, ord, dim, keepdim, dtype }) =>
    matrixNorm(context, operand(context, self, dtype), ord, dim, keepdim),
  MATRIX,
);
