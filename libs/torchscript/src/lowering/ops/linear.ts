import { flag, float, int, str } from '../attributes.ts';
import { broadcastShapes } from '../broadcast.ts';
import { opFamily } from '../define-op.ts';
import { guardEmpty } from '../empty-guard.ts';
import { einsumShape } from '../einsum-shape.ts';
import { matmul } from '../matmul.ts';
import { promoteTypes, resultType, operandAs, type Operand } from '../promotion.ts';
import type { LowerContext } from '../../symbolic/lower-context.ts';
import { mulDims as multiply, sameDim } from '../../symbolic/sym-int.ts';
import type { Scalar, TensorValue } from '../../symbolic/values.ts';

const { ops, defineOp } = opFamily('linear');

/** Linear algebra: matrix products and operators made of them. */
export const linear = ops;

/** `input @ weight.T + bias`; input [..., in], weight [out, in], bias [out]. */
export function linearLayer(
  context: LowerContext,
  input: TensorValue,
  weight: TensorValue,
  bias: TensorValue | null,
): TensorValue {
  const { shape } = input.content;
  const [features = 1, inner = 1] = weight.content.shape;
  if (weight.rank === 1) {
    const product = matmul(context, input, weight);
    return bias === null ? product : context.node('Add', [product, bias]);
  }
  context.require(shape.at(-1) ?? 1, inner);
  if (input.rank === 2) {
    return context.node('Gemm', [input, weight, bias], {
      shape: [shape[0] ?? 1, features],
      attributes: { transB: flag(true) },
    });
  }
  const product = matmul(context, input, context.transpose(weight, [1, 0]));
  return bias === null ? product : context.node('Add', [product, bias]);
}

defineOp('aten::linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor', (context, { input, weight, bias }) =>
  linearLayer(context, input, weight, bias),
);

defineOp('aten::matmul(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  matmul(context, self, other),
);
defineOp('aten::linalg_matmul(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  matmul(context, self, other),
);
defineOp('aten::mm(Tensor self, Tensor mat2) -> Tensor', (context, { self, mat2 }) => matmul(context, self, mat2));
defineOp('aten::bmm(Tensor self, Tensor mat2) -> Tensor', (context, { self, mat2 }) => matmul(context, self, mat2));
defineOp('aten::mv(Tensor self, Tensor vec) -> Tensor', (context, { self, vec }) => matmul(context, self, vec));
defineOp('aten::dot(Tensor self, Tensor tensor) -> Tensor', (context, { self, tensor }) =>
  matmul(context, self, tensor),
);
defineOp('aten::vdot(Tensor self, Tensor other) -> Tensor', (context, { self, other }) => matmul(context, self, other));
defineOp('aten::inner(Tensor self, Tensor other) -> Tensor', (context, { self, other }) => {
  if (self.rank === 0 || other.rank === 0)
    return context.node('Mul', [self, other], { shape: broadcastShapes(context, self.shape, other.shape) });
  const rows =
    self.rank === 1
      ? self
      : context.reshape(self, [self.shape.slice(0, -1).reduce(multiply, 1), self.shape.at(-1) ?? 1]);
  const columns =
    other.rank === 1
      ? other
      : context.reshape(other, [other.shape.slice(0, -1).reduce(multiply, 1), other.shape.at(-1) ?? 1]);
  const product = matmul(context, rows, other.rank === 1 ? columns : context.transpose(columns, [1, 0]));
  return context.reshape(product, [...self.shape.slice(0, -1), ...other.shape.slice(0, -1)]);
});

defineOp('aten::linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor', (context, { x, y, dim }) => {
  const shape = broadcastShapes(context, x.shape, y.shape);
  const axis = context.axis(dim, shape.length);
  const product = context.node('Mul', [x, y], { shape });
  return context.node('ReduceSum', [product, context.ints([axis])], {
    shape: shape.filter((_, i) => i !== axis),
    attributes: { keepdims: int(0) },
  });
});

const outer = (context: LowerContext, self: TensorValue, vec2: TensorValue): TensorValue => {
  const dtype = promoteTypes(self.dtype, vec2.dtype);
  const column = context.reshape(context.cast(self, dtype), [self.shape[0] ?? 1, 1]);
  return context.node('Mul', [column, context.cast(vec2, dtype)], { shape: [self.shape[0] ?? 1, vec2.shape[0] ?? 1] });
};
defineOp('aten::outer(Tensor self, Tensor vec2) -> Tensor', (context, { self, vec2 }) => outer(context, self, vec2));
defineOp('aten::ger(Tensor self, Tensor vec2) -> Tensor', (context, { self, vec2 }) => outer(context, self, vec2));

/** `beta * self + alpha * product`. */
function addProduct(
  context: LowerContext,
  self: TensorValue,
  product: TensorValue,
  beta: Scalar,
  alpha: Scalar,
): TensorValue {
  const scaled = times(context, product, alpha);
  if (beta === 0n || beta === 0) return scaled;
  const added = times(context, self, beta);
  return context.node('Add', [added, scaled], { shape: broadcastShapes(context, self.shape, product.shape) });
}

function times(context: LowerContext, tensor: TensorValue, factor: Scalar): TensorValue {
  if (factor === 1n || factor === 1) return tensor;
  return context.node('Mul', [tensor, context.scalar(factor, tensor.dtype)]);
}

defineOp(
  'aten::addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor',
  (context, { self, mat1, mat2, beta, alpha }) => {
    context.require(mat1.shape[1] ?? 1, mat2.shape[0] ?? 1);
    if (typeof beta === 'object' || typeof alpha === 'object' || !mat1.dtype.startsWith('float')) {
      return addProduct(context, self, matmul(context, mat1, mat2), beta, alpha);
    }
    return context.node('Gemm', [mat1, mat2, self], {
      shape: [mat1.shape[0] ?? 1, mat2.shape[1] ?? 1],
      attributes: { alpha: float(Number(alpha)), beta: float(Number(beta)) },
    });
  },
);
defineOp(
  'aten::baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor',
  (context, { self, batch1, batch2, beta, alpha }) =>
    addProduct(context, self, matmul(context, batch1, batch2), beta, alpha),
);
defineOp(
  'aten::addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor',
  (context, { self, batch1, batch2, beta, alpha }) => {
    const products = matmul(context, batch1, batch2);
    const sum = context.node('ReduceSum', [products, context.ints([0])], {
      shape: products.shape.slice(1),
      attributes: { keepdims: int(0) },
    });
    return addProduct(context, self, sum, beta, alpha);
  },
);
defineOp(
  'aten::addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor',
  (context, { self, mat, vec, beta, alpha }) => addProduct(context, self, matmul(context, mat, vec), beta, alpha),
);
defineOp(
  'aten::addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor',
  (context, { self, vec1, vec2, beta, alpha }) => addProduct(context, self, outer(context, vec1, vec2), beta, alpha),
);
defineOp('aten::chain_matmul(Tensor[] matrices) -> Tensor', (context, { matrices }) =>
  matrices.reduce((left, right) => matmul(context, left, right)),
);
defineOp('aten::linalg_multi_dot(Tensor[] tensors) -> Tensor', (context, { tensors }) =>
  tensors.reduce((left, right) => matmul(context, left, right)),
);

defineOp(
  'aten::bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor',
  (context, args) => {
    const { input1, input2, weight, bias } = args;
    const equation = '...i,oij,...j->...o';
    const product = einsum(context, equation, [input1, weight, input2]);
    return bias === null ? product : context.node('Add', [product, bias]);
  },
);

/** torch.einsum as ONNX's Einsum, which has the same rules but allows no spaces in the equation. */
export function einsum(context: LowerContext, equation: string, operands: readonly TensorValue[]): TensorValue {
  const { text, shape } = einsumShape(
    context,
    equation,
    operands.map((operand) => operand.shape),
  );
  const dtype = operands.map((operand) => operand.dtype).reduce(promoteTypes);
  const cast = operands.map((operand) => context.cast(operand, dtype));
  const types = [{ dtype, shape }];
  // The kernel divides by sizes.
  const [result] = guardEmpty(
    context,
    operands.flatMap((operand) => operand.shape),
    {
      types,
      run: () => [context.node('Einsum', cast, { shape, attributes: { equation: str(text) } })],
    },
  );
  return result ?? context.unsupported('einsum() without a result');
}

defineOp(
  'aten::einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor',
  (context, { equation, tensors }) => einsum(context, equation, tensors),
);

defineOp(
  'aten::tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor',
  (context, { self, other, dims_self, dims_other }) => {
    const letters = 'abcdefghijklmnopqrstuvwxyz';
    const mine = Array.from({ length: self.rank }, (_, i) => letters[i] ?? '');
    const theirs = Array.from({ length: other.rank }, (_, i) => letters[self.rank + i] ?? '');
    dims_self.forEach((dim, i) => {
      theirs[context.axis(dims_other[i] ?? 0, other.rank)] = mine[context.axis(dim, self.rank)] ?? '';
    });
    const shared = new Set(dims_self.map((dim) => mine[context.axis(dim, self.rank)]));
    const kept = [...mine, ...theirs].filter((letter) => !shared.has(letter));
    return einsum(context, `${mine.join('')},${theirs.join('')}->${kept.join('')}`, [self, other]);
  },
);

defineOp('aten::kron(Tensor self, Tensor other) -> Tensor', (context, { self, other }) => {
  const rank = Math.max(self.rank, other.rank);
  const a = [...Array.from({ length: rank - self.rank }, () => 1), ...self.shape];
  const b = [...Array.from({ length: rank - other.rank }, () => 1), ...other.shape];
  const left = context.reshape(
    self,
    a.flatMap((size) => [size, 1]),
  );
  const right = context.reshape(
    other,
    b.flatMap((size) => [1, size]),
  );
  const dtype = resultType([self, other]);
  const product = context.node('Mul', [context.cast(left, dtype), context.cast(right, dtype)], {
    shape: a.flatMap((size, i) => [size, b[i] ?? 1]),
  });
  return context.reshape(
    product,
    a.map((size, i) => multiply(size, b[i] ?? 1)),
  );
});

const cross = (context: LowerContext, self: TensorValue, other: TensorValue, dim: number): TensorValue => {
  const axis = context.axis(dim, self.rank);
  const shape = broadcastShapes(context, self.shape, other.shape);
  const dtype = resultType([self as Operand, other as Operand]);
  const pick = (tensor: TensorValue, order: readonly number[]): TensorValue =>
    context.node('Gather', [operandAs(context, tensor, dtype), context.constant(order.map(BigInt), 'int64', [3])], {
      shape: tensor.shape,
      attributes: { axis: int(axis) },
    });
  const product = (a: readonly number[], b: readonly number[]): TensorValue =>
    context.node('Mul', [pick(self, a), pick(other, b)], { shape });
  return context.node('Sub', [product([1, 2, 0], [2, 0, 1]), product([2, 0, 1], [1, 2, 0])], { shape });
};
defineOp('aten::linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor', (context, { self, other, dim }) =>
  cross(context, self, other, dim),
);
defineOp('aten::cross(Tensor self, Tensor other, int? dim=None) -> Tensor', (context, { self, other, dim }) => {
  const found = dim ?? self.shape.findIndex((size) => sameDim(size, 3));
  if (found < 0)
    return context.unsupported('cross() without dim, of tensors without a known axis of size 3', 'pass dim');
  return cross(context, self, other, found);
});
