import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { binary, choose, compare } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { asFloat } from '../../promotion.ts';
import { hasSign } from './number-kinds.ts';
import { promotedFloats } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Trigonometric and hyperbolic functions. For integers the result is float32. */
export const trigonometric = ops;

for (const [names, opType] of [
  [['sin'], 'Sin'],
  [['cos'], 'Cos'],
  [['tan'], 'Tan'],
  [['asin', 'arcsin'], 'Asin'],
  [['acos', 'arccos'], 'Acos'],
  [['atan', 'arctan'], 'Atan'],
  [['sinh'], 'Sinh'],
  [['cosh'], 'Cosh'],
  [['asinh', 'arcsinh'], 'Asinh'],
  [['acosh', 'arccosh'], 'Acosh'],
  [['atanh', 'arctanh'], 'Atanh'],
] as const) {
  for (const name of names) {
    defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) =>
      context.node(opType, [asFloat(context, self)]),
    );
  }
}

/** The angle of the point (`x`, `y`), from -π to π. */
function angle(context: LowerContext, y: TensorValue, x: TensorValue): TensorValue {
  const number = (value: number): TensorValue => context.scalar(value, x.dtype);
  const right = context.node('Atan', [binary(context, 'Div', y, x)]);
  // For negative x, π is added or subtracted, according to the sign of y.
  const turn = choose(context, hasSign(context, y), number(-Math.PI), number(Math.PI));
  const left = hasSign(context, x);
  const turned = choose(context, left, binary(context, 'Add', right, turn), right);
  // For two zeros the quotient is NaN. Then the signs decide the angle.
  const [noX, noY] = [compare(context, 'Equal', x, number(0)), compare(context, 'Equal', y, number(0))];
  const alone = choose(context, left, turn, y);
  return choose(context, binary(context, 'And', noX, noY), alone, turned);
}

for (const name of ['atan2', 'arctan2'] as const) {
  defineOp(
    `aten::${name}(Tensor self, Tensor other) -> Tensor`,
    (context, { self, other }) => angle(context, ...promotedFloats(context, self, other)),
    { limits: 'two infinities give NaN' },
  );
}

/** The tensor in a floating dtype, multiplied by a number. */
function scaledBy(context: LowerContext, self: TensorValue, factor: number): TensorValue {
  const x = asFloat(context, self);
  return binary(context, 'Mul', x, context.scalar(factor, x.dtype));
}

defineOp('aten::deg2rad(Tensor self) -> Tensor', (context, { self }) => scaledBy(context, self, Math.PI / 180));
defineOp('aten::rad2deg(Tensor self) -> Tensor', (context, { self }) => scaledBy(context, self, 180 / Math.PI));
for (const name of ['sinc', 'special_sinc'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => {
    const x = scaledBy(context, self, Math.PI);
    const [zero, one] = [context.scalar(0, x.dtype), context.scalar(1, x.dtype)];
    return choose(
      context,
      compare(context, 'Equal', x, zero),
      one,
      binary(context, 'Div', context.node('Sin', [x]), x),
    );
  });
}
