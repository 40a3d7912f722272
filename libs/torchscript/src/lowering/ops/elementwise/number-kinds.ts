import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { binary, choose, compare } from '../../arithmetic.ts';
import { flag } from '../../attributes.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { GREATEST, isNan } from '../../nan.ts';
import { operandAs, type Operand } from '../../promotion.ts';
import { promotedFloats } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Tests of elements: NaN, infinite, negative. */
export const numberKinds = ops;

/** True for every element of a tensor without NaN. */
function equalsItself(context: LowerContext, self: TensorValue): TensorValue {
  return compare(context, 'Equal', self, self);
}

/** True for elements that are infinities with one of the wanted signs. */
export function isInfinite(context: LowerContext, self: TensorValue, positive = true, negative = true): TensorValue {
  if (!isFloating(self.dtype)) return context.node('Not', [equalsItself(context, self)]);
  return context.node('IsInf', [self], {
    dtype: 'bool',
    attributes: { detect_positive: flag(positive), detect_negative: flag(negative) },
  });
}

/** True for elements that are neither NaN nor infinite. */
export function isFinite(context: LowerContext, self: TensorValue): TensorValue {
  if (!isFloating(self.dtype)) return equalsItself(context, self);
  return context.node('Not', [binary(context, 'Or', isNan(context, self), isInfinite(context, self))]);
}

/** True for elements with a minus sign, -0.0 included. */
export function hasSign(context: LowerContext, self: TensorValue): TensorValue {
  const zero = context.scalar(0, self.dtype);
  const negative = compare(context, 'Less', self, zero);
  if (!isFloating(self.dtype)) return negative;
  return binary(context, 'Or', negative, compare(context, 'Less', context.node('Reciprocal', [self]), zero));
}

defineOp('aten::isnan(Tensor self) -> Tensor', (context, { self }) => isNan(context, self));
defineOp('aten::isinf(Tensor self) -> Tensor', (context, { self }) => isInfinite(context, self));
defineOp('aten::isposinf(Tensor self) -> Tensor', (context, { self }) => isInfinite(context, self, true, false));
defineOp('aten::isneginf(Tensor self) -> Tensor', (context, { self }) => isInfinite(context, self, false, true));
defineOp('aten::isfinite(Tensor self) -> Tensor', (context, { self }) => isFinite(context, self));
defineOp('aten::isreal(Tensor self) -> Tensor', (context, { self }) =>
  binary(context, 'Or', equalsItself(context, self), isNan(context, self)),
);
defineOp('aten::signbit(Tensor self) -> Tensor', (context, { self }) => hasSign(context, self), {
  limits: 'NaN counts as positive',
});

/** `|self|` with the sign of `other`. */
function copySign(context: LowerContext, self: TensorValue, other: Operand): TensorValue {
  const [x, y] = promotedFloats(context, self, other);
  const magnitude = context.node('Abs', [x]);
  return choose(context, hasSign(context, y), context.node('Neg', [magnitude]), magnitude);
}

defineOp('aten::copysign.Tensor(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  copySign(context, self, other),
);
defineOp('aten::copysign.Scalar(Tensor self, Scalar other) -> Tensor', (context, { self, other }) =>
  copySign(context, self, other),
);
defineOp('aten::heaviside(Tensor self, Tensor values) -> Tensor', (context, { self, values }) => {
  const zero = operandAs(context, 0n, self.dtype);
  const positive = context.cast(compare(context, 'Greater', self, zero), self.dtype);
  return choose(context, compare(context, 'Equal', self, zero), values, positive);
});

defineOp(
  'aten::nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor',
  (context, { self, nan, posinf, neginf }) => {
    const greatest = GREATEST[self.dtype];
    if (greatest === undefined) return copyOf(self);
    const number = (value: number): TensorValue => context.scalar(value, self.dtype);
    const without = choose(context, isInfinite(context, self, true, false), number(posinf ?? greatest), self);
    const finite = choose(context, isInfinite(context, self, false, true), number(neginf ?? -greatest), without);
    return choose(context, isNan(context, self), number(nan ?? 0), finite);
  },
);
