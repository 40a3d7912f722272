import type { LowerContext } from '../../../executor/lower-context.ts';
import { isFloating } from '../../../executor/onnx-types.ts';
import type { Scalar, TensorValue } from '../../../executor/values.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { asFloat, floatType, operandAs, resultType, type Operand } from '../../promotion.ts';
import { arithmetic } from '../../scalar-math.ts';
import { binaryNode, fold, withNumber } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Sums, differences, products, quotients and powers. */
export const arithmeticOps = ops;

/** `a + alpha * b` or `a - alpha * b`. */
export function addScaled(
  context: LowerContext,
  op: 'add' | 'sub',
  a: Operand,
  b: Operand,
  alpha: Scalar = 1n,
): TensorValue {
  const dtype = resultType([a, b]);
  const factor = typeof alpha === 'object' ? undefined : Number(alpha);
  const scaled = factor === 1 ? b : multiply(context, operandAs(context, b, dtype), alpha);
  const folded = fold(context, [a, scaled], { dtype, compute: (x = 0n, y = 0n) => arithmetic(context, op, x, y) });
  if (folded !== undefined) return folded;
  return binaryNode(context, dtype === 'bool' ? 'Or' : op === 'add' ? 'Add' : 'Sub', a, scaled, dtype);
}

/** `a * b`. */
export function multiply(context: LowerContext, a: Operand, b: Operand): TensorValue {
  const dtype = resultType([a, b]);
  const folded = fold(context, [a, b], { dtype, compute: (x = 0n, y = 0n) => arithmetic(context, 'mul', x, y) });
  return folded ?? binaryNode(context, dtype === 'bool' ? 'And' : 'Mul', a, b, dtype);
}

/** `a / b`, which of integers is a float. */
export function divide(context: LowerContext, a: Operand, b: Operand): TensorValue {
  const dtype = floatType(resultType([a, b]));
  const folded = fold(context, [a, b], { dtype, compute: (x = 0, y = 0) => arithmetic(context, 'div', x, y) });
  return folded ?? binaryNode(context, 'Div', a, b, dtype);
}

for (const name of ['add', 'sub', 'subtract'] as const) {
  const op = name === 'add' ? 'add' : 'sub';
  defineOp(`aten::${name}.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor`, (context, { self, other, alpha }) =>
    addScaled(context, op, self, other, alpha),
  );
  defineOp(`aten::${name}.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor`, (context, { self, other, alpha }) =>
    addScaled(context, op, self, other, alpha),
  );
}
defineOp('aten::rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor', (context, { self, other, alpha }) =>
  addScaled(context, 'sub', other, self, alpha),
);
defineOp('aten::rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor', (context, { self, other, alpha }) =>
  addScaled(context, 'sub', other, self, alpha),
);
for (const name of ['mul', 'multiply'] as const) {
  defineOp(`aten::${name}.Tensor(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    multiply(context, self, other),
  );
  defineOp(`aten::${name}.Scalar(Tensor self, Scalar other) -> Tensor`, (context, { self, other }) =>
    multiply(context, self, other),
  );
}
for (const name of ['div', 'divide', 'true_divide'] as const) {
  defineOp(`aten::${name}.Tensor(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    divide(context, self, other),
  );
  defineOp(`aten::${name}.Scalar(Tensor self, Scalar other) -> Tensor`, (context, { self, other }) =>
    divide(context, self, other),
  );
}
defineOp('aten::addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor', (context, args) =>
  addScaled(context, 'add', args.self, multiply(context, args.tensor1, args.tensor2), args.value),
);
defineOp('aten::addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor', (context, args) =>
  addScaled(context, 'add', args.self, divide(context, args.tensor1, args.tensor2), args.value),
);

// ---- powers ------------------------------------------------------------------------------------------------------------

/** Powers that are computed as PyTorch computes them, without a power. */
function simplePower(context: LowerContext, base: TensorValue, exponent: number): TensorValue | undefined {
  const float = isFloating(base.dtype);
  if (exponent === 1) return copyOf(base);
  if (exponent === 2) return context.node('Mul', [base, base]);
  if (exponent === 3) return context.node('Mul', [context.node('Mul', [base, base]), base]);
  if (exponent === 0.5 && float) return context.node('Sqrt', [base]);
  if (exponent === -0.5 && float) return context.node('Reciprocal', [context.node('Sqrt', [base])]);
  if (exponent === -1 && float) return context.node('Reciprocal', [base]);
  return exponent === -2 && float ? context.node('Reciprocal', [context.node('Mul', [base, base])]) : undefined;
}

/** `a ** b`. */
export function power(context: LowerContext, a: Operand, b: Operand, dtype = resultType([a, b])): TensorValue {
  const folded = fold(context, [a, b], { dtype, compute: (x = 0n, y = 0n) => arithmetic(context, 'pow', x, y) });
  if (folded !== undefined) return folded;
  if (typeof b === 'bigint' || typeof b === 'number') {
    const base = operandAs(context, a, dtype);
    const simple = dtype === 'bool' ? undefined : simplePower(context, base, Number(b));
    if (simple !== undefined) return simple;
  }
  return binaryNode(context, 'Pow', a, b, dtype);
}

defineOp('aten::pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor', (context, { self, exponent }) =>
  power(context, self, exponent),
);
defineOp('aten::pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor', (context, { self, exponent }) =>
  power(context, self, exponent),
);
defineOp('aten::pow.Scalar(Scalar self, Tensor exponent) -> Tensor', (context, { self, exponent }) =>
  power(context, self, exponent),
);
for (const key of [
  'Tensor_Scalar(Tensor self, Scalar exponent)',
  'Tensor_Tensor(Tensor self, Tensor exponent)',
  'Scalar(Scalar self, Tensor exponent)',
] as const) {
  defineOp(`aten::float_power.${key} -> Tensor`, (context, { self, exponent }) =>
    power(context, self, exponent, 'float64'),
  );
}
defineOp('aten::square(Tensor self) -> Tensor', (context, { self }) => multiply(context, self, self));
defineOp('aten::ldexp.Tensor(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  multiply(context, self, power(context, 2, other)),
);
for (const name of ['exp2', 'special_exp2'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => {
    const exponent = asFloat(context, self);
    return context.node('Pow', [context.scalar(2, exponent.dtype), exponent], { shape: exponent.shape });
  });
}
defineOp('aten::hypot(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  context.node('Sqrt', [addScaled(context, 'add', multiply(context, self, self), multiply(context, other, other))]),
);

// ---- blends ------------------------------------------------------------------------------------------------------------

defineOp('aten::lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor', (context, { self, end, weight }) => {
  const span = addScaled(context, 'sub', end, self);
  if (typeof weight === 'object') return addScaled(context, 'add', self, multiply(context, span, weight));
  // As PyTorch does, from the nearer end.
  return Number(weight) < 0.5
    ? addScaled(context, 'add', self, withNumber(context, 'Mul', span, Number(weight)))
    : addScaled(context, 'sub', end, withNumber(context, 'Mul', span, 1 - Number(weight)));
});
defineOp('aten::lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor', (context, { self, end, weight }) =>
  addScaled(context, 'add', self, multiply(context, addScaled(context, 'sub', end, self), weight)),
);
