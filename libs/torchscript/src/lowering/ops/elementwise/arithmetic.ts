import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import type { Scalar, TensorValue } from '../../../symbolic/values.ts';
import { binary, choose } from '../../arithmetic.ts';
import { isComplex, magnitude } from '../../complex.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { isNan } from '../../nan.ts';
import { operandAs, type Operand } from '../../promotion.ts';
import { arithmetic as ofScalars } from '../../scalar-math.ts';
import { folded, promoted, withPythonNumber } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Sum, difference, product, sign and magnitude. */
export const arithmetic = ops;

/** `a * b`. Of bool tensors it is the logical and. */
export function multiply(context: LowerContext, a: Operand, b: Operand): TensorValue {
  const [x, y] = promoted(context, a, b);
  return (
    folded(context, [x, y], x.dtype, (p = 0n, q = 0n) => ofScalars(context, 'mul', p, q)) ??
    binary(context, x.dtype === 'bool' ? 'And' : 'Mul', x, y)
  );
}

/** `other * alpha` in the dtype of `other`. */
function scaled(context: LowerContext, other: TensorValue, alpha: Scalar): TensorValue {
  return alpha === 1n || alpha === 1 || alpha === true
    ? other
    : multiply(context, other, operandAs(context, alpha, other.dtype));
}

/** `a + alpha * b`. Of bool tensors it is the logical or. */
function add(context: LowerContext, a: Operand, b: Operand, alpha: Scalar): TensorValue {
  const [x, other] = promoted(context, a, b);
  const y = scaled(context, other, alpha);
  return (
    folded(context, [x, y], x.dtype, (p = 0n, q = 0n) => ofScalars(context, 'add', p, q)) ??
    binary(context, x.dtype === 'bool' ? 'Or' : 'Add', x, y)
  );
}

/** `a - alpha * b`. */
export function subtract(context: LowerContext, a: Operand, b: Operand, alpha: Scalar = 1n): TensorValue {
  const [x, other] = promoted(context, a, b);
  if (x.dtype === 'bool') return context.unsupported('the difference of bool tensors', 'use logical_xor');
  const y = scaled(context, other, alpha);
  return (
    folded(context, [x, y], x.dtype, (p = 0n, q = 0n) => ofScalars(context, 'sub', p, q)) ??
    binary(context, 'Sub', x, y)
  );
}

defineOp(
  'aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor',
  (context, { self, other, alpha }) => add(context, self, withPythonNumber(other), alpha),
);
defineOp('aten::add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor', (context, { self, other, alpha }) =>
  add(context, self, other, alpha),
);
for (const name of ['sub', 'subtract'] as const) {
  defineOp(
    `aten::${name}.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor`,
    (context, { self, other, alpha }) => subtract(context, self, withPythonNumber(other), alpha),
  );
  defineOp(
    `aten::${name}.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor`,
    (context, { self, other, alpha }) => subtract(context, self, other, alpha),
  );
}
defineOp(
  'aten::rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor',
  (context, { self, other, alpha }) => subtract(context, other, self, alpha),
);
defineOp('aten::rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor', (context, { self, other, alpha }) =>
  subtract(context, other, self, alpha),
);
for (const name of ['mul', 'multiply'] as const) {
  defineOp(`aten::${name}.Tensor(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    multiply(context, self, withPythonNumber(other)),
  );
  defineOp(`aten::${name}.Scalar(Tensor self, Scalar other) -> Tensor`, (context, { self, other }) =>
    multiply(context, self, other),
  );
}

/** `-x`. */
export function negate(context: LowerContext, self: TensorValue): TensorValue {
  if (self.dtype === 'bool') return context.unsupported('the negative of a bool tensor', 'use logical_not');
  return (
    folded(context, [self], self.dtype, (x = 0n) => ofScalars(context, 'sub', typeof x === 'number' ? -0 : 0n, x)) ??
    context.node('Neg', [self])
  );
}

for (const name of ['neg', 'negative'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => negate(context, self));
}
for (const name of ['abs', 'absolute'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => {
    if (isComplex(self.dtype)) return magnitude(context, self);
    return self.dtype === 'bool' ? copyOf(self) : context.node('Abs', [self]);
  });
}
for (const name of ['sign', 'sgn'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => {
    if (self.dtype === 'bool') return copyOf(self);
    const sign = context.node('Sign', [self]);
    // PyTorch gives 0 for NaN.
    return isFloating(self.dtype) ? choose(context, isNan(context, self), context.scalar(0, self.dtype), sign) : sign;
  });
}
defineOp('aten::positive(Tensor(a) self) -> Tensor(a)', (_, { self }) => self);
