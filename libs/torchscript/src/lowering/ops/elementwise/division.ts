import type { LowerContext } from '../../../executor/lower-context.ts';
import { isFloating } from '../../../executor/onnx-types.ts';
import type { Scalar, TensorValue } from '../../../executor/values.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { binary, choose } from '../../arithmetic.ts';
import { flag } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { operandAs, resultType, type Operand } from '../../promotion.ts';
import { arithmetic } from '../../scalar-math.ts';
import { divide } from './arithmetic-ops.ts';
import { binaryNode, compareNode, fold, shapeOf } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Division that rounds, and what it leaves. */
export const division = ops;

/** `a` rounded towards zero. */
export function truncated(context: LowerContext, a: TensorValue): TensorValue {
  const negative = context.node('Less', [a, context.scalar(0, a.dtype)], { dtype: 'bool' });
  return choose(context, negative, context.node('Ceil', [a]), context.node('Floor', [a]));
}

/** C's `fmod`: what division towards zero leaves, of the dividend's sign. */
function fmod(context: LowerContext, a: Operand, b: Operand, dtype: ScalarType): TensorValue {
  if (isFloating(dtype)) {
    return context.node('Mod', [operandAs(context, a, dtype), operandAs(context, b, dtype)], {
      shape: shapeOf(context, a, b),
      attributes: { fmod: flag(true) },
    });
  }
  // As an integer's, ONNX Runtime computes it in doubles.
  const quotient = binaryNode(context, 'Div', a, b, dtype);
  return binaryNode(context, 'Sub', a, binaryNode(context, 'Mul', quotient, b, dtype), dtype);
}

/** Whether a float remainder has the other sign than the divisor, and is not zero. */
function otherSide(context: LowerContext, rest: TensorValue, divisor: TensorValue): TensorValue {
  const zero = context.scalar(0, rest.dtype);
  return compareNode(context, 'Less', binary(context, 'Mul', context.node('Sign', [rest]), context.node('Sign', [divisor])), zero, rest.dtype);
}

/** Python's `a % b`: what division downwards leaves, of the divisor's sign. */
function remainder(context: LowerContext, a: Operand, b: Operand): TensorValue {
  const dtype = resultType([a, b]);
  const folded = foldDivision(context, 'mod', a, b, dtype);
  if (folded !== undefined) return folded;
  if (!isFloating(dtype)) return binaryNode(context, 'Mod', a, b, dtype);
  const rest = fmod(context, a, b, dtype);
  const divisor = operandAs(context, b, dtype);
  return choose(context, otherSide(context, rest, divisor), binary(context, 'Add', rest, divisor), rest);
}

/** Python's `a // b`. */
function floorDivide(context: LowerContext, a: Operand, b: Operand): TensorValue {
  const dtype = resultType([a, b]);
  const folded = foldDivision(context, 'floordiv', a, b, dtype);
  if (folded !== undefined) return folded;
  const [dividend, divisor] = [operandAs(context, a, dtype), operandAs(context, b, dtype)];
  if (!isFloating(dtype)) {
    const rest = binary(context, 'Mod', dividend, divisor);
    return binary(context, 'Div', binary(context, 'Sub', dividend, rest), divisor);
  }
  // A quotient may be rounded up to a whole number that it does not reach: 1 // 0.1 is 9.
  const rest = fmod(context, dividend, divisor, dtype);
  const quotient = binary(context, 'Div', binary(context, 'Sub', dividend, rest), divisor);
  const down = binary(context, 'Sub', quotient, context.cast(otherSide(context, rest, divisor), dtype));
  const whole = context.node('Round', [down]);
  if (typeof b !== 'object' && Number(b) !== 0) return whole;
  const byZero = compareNode(context, 'Equal', divisor, 0, dtype);
  return choose(context, byZero, binary(context, 'Div', dividend, divisor), whole);
}

function foldDivision(
  context: LowerContext,
  op: 'floordiv' | 'mod',
  a: Operand,
  b: Operand,
  dtype: ScalarType,
): TensorValue | undefined {
  return fold(context, [a, b], { dtype, compute: (x = 0n, y = 0n) => arithmetic(context, op, x, y) });
}

function divideRounded(context: LowerContext, a: Operand, b: Operand, mode: string | null): TensorValue {
  if (mode === null) return divide(context, a, b);
  if (mode === 'floor') return floorDivide(context, a, b);
  const dtype = resultType([a, b]);
  const quotient = binaryNode(context, 'Div', a, b, dtype);
  return isFloating(dtype) ? truncated(context, quotient) : quotient;
}

for (const name of ['div', 'divide'] as const) {
  defineOp(
    `aten::${name}.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor`,
    (context, { self, other, rounding_mode }) => divideRounded(context, self, other, rounding_mode),
  );
  defineOp(
    `aten::${name}.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor`,
    (context, { self, other, rounding_mode }) => divideRounded(context, self, other, rounding_mode),
  );
}
defineOp('aten::floor_divide(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  floorDivide(context, self, other),
);
defineOp('aten::floor_divide.Scalar(Tensor self, Scalar other) -> Tensor', (context, { self, other }) =>
  floorDivide(context, self, other),
);
defineOp('aten::remainder.Tensor(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  remainder(context, self, other),
);
defineOp('aten::remainder.Scalar(Tensor self, Scalar other) -> Tensor', (context, { self, other }) =>
  remainder(context, self, other),
);
defineOp('aten::remainder.Scalar_Tensor(Scalar self, Tensor other) -> Tensor', (context, { self, other }) =>
  remainder(context, self, other),
);
defineOp('aten::fmod.Tensor(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  fmod(context, self, other, resultType([self, other])),
);
defineOp('aten::fmod.Scalar(Tensor self, Scalar other) -> Tensor', (context, { self, other }) =>
  fmod(context, self, other, resultType([self, other])),
);

// ---- divisors ------------------------------------------------------------------------------------------------------------

/** Steps of Euclid's algorithm that the largest numbers of a dtype can take. */
const EUCLID_STEPS: Readonly<Partial<Record<ScalarType, number>>> = { uint8: 12, int8: 11, int16: 23, int32: 46 };

/** The greatest common divisor: Euclid's algorithm, written out. */
function gcd(context: LowerContext, a: TensorValue, b: TensorValue): TensorValue {
  const dtype = resultType([a, b]);
  const shape = shapeOf(context, a, b);
  const [zero, one] = [context.scalar(0n, dtype), context.scalar(1n, dtype)];
  let [x, y] = [a, b].map((tensor) => context.node('Abs', [context.expand(context.cast(tensor, dtype), shape)])) as [
    TensorValue,
    TensorValue,
  ];
  for (let step = 0; step < (EUCLID_STEPS[dtype] ?? 91); step++) {
    const done = compareNode(context, 'Equal', y, zero, dtype);
    const rest = binary(context, 'Mod', x, choose(context, done, one, y));
    [x, y] = [choose(context, done, x, y), rest];
  }
  return x;
}
defineOp('aten::gcd(Tensor self, Tensor other) -> Tensor', (context, { self, other }) => gcd(context, self, other));
defineOp('aten::lcm(Tensor self, Tensor other) -> Tensor', (context, { self, other }) => {
  const dtype = resultType([self, other]);
  const divisor = binaryNode(context, 'Max', gcd(context, self, other), 1n as Scalar, dtype);
  return context.node('Abs', [binaryNode(context, 'Mul', binaryNode(context, 'Div', self, divisor, dtype), other, dtype)]);
});
