import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { minimumOf } from '../../../symbolic/sym-int.ts';
import type { Scalar, TensorValue } from '../../../symbolic/values.ts';
import { binary, choose, compare } from '../../arithmetic.ts';
import { flag } from '../../attributes.ts';
import { broadcastShapes } from '../../broadcast.ts';
import { opFamily } from '../../define-op.ts';
import { dimsOf } from '../../dims.ts';
import { asFloat, type Operand } from '../../promotion.ts';
import { arithmetic as ofScalars } from '../../scalar-math.ts';
import { negate } from './arithmetic.ts';
import { folded, knownNumbers, promoted, promotedFloats, withPythonNumber } from './operands.ts';
import { truncate } from './rounding.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Quotients and remainders. */
export const division = ops;

/** `a / b` as a float, for integers too. */
export function divide(context: LowerContext, a: Operand, b: Operand): TensorValue {
  const [x, y] = promotedFloats(context, a, b);
  return (
    folded(context, [x, y], x.dtype, (p = 0n, q = 0n) => ofScalars(context, 'div', p, q)) ??
    binary(context, 'Div', x, y)
  );
}

/** Tells whether every element is known and passes the test. */
function allKnownSatisfy(
  context: LowerContext,
  tensor: TensorValue,
  passes: (element: bigint | number | boolean) => boolean,
): boolean {
  return knownNumbers(context, tensor)?.every(passes) === true;
}

/**
 * Marks the elements of an integer divisor that may be -1. ONNX Runtime crashes when it divides the smallest integer
 * by -1.
 */
function isMinusOne(context: LowerContext, divisor: TensorValue): TensorValue | undefined {
  const wide = divisor.dtype === 'int32' || divisor.dtype === 'int64';
  if (!wide || allKnownSatisfy(context, divisor, (element) => element !== -1n)) return undefined;
  return compare(context, 'Equal', divisor, context.scalar(-1n, divisor.dtype));
}

/** The quotient of integers, rounded towards zero. */
function truncatedQuotient(context: LowerContext, x: TensorValue, y: TensorValue): TensorValue {
  const negated = isMinusOne(context, y);
  if (negated === undefined) return binary(context, 'Div', x, y);
  const safe = choose(context, negated, context.scalar(1n, y.dtype), y);
  return choose(context, negated, negate(context, x), binary(context, 'Div', x, safe));
}

/** The remainder of `x / y`, with the sign of the divisor or (`likeDividend`) of the dividend. Floats: dividend only. */
function modulo(context: LowerContext, x: TensorValue, y: TensorValue, likeDividend: boolean): TensorValue {
  const ones = isFloating(x.dtype) ? undefined : isMinusOne(context, y);
  const divisor = ones === undefined ? y : choose(context, ones, context.scalar(1n, y.dtype), y);
  return context.node('Mod', [x, divisor], {
    shape: broadcastShapes(context, x.content.shape, y.content.shape),
    attributes: likeDividend ? { fmod: flag(true) } : {},
  });
}

/** Marks the elements whose remainder in C has another sign than the divisor, so that it belongs to the next multiple. */
function hasOtherSign(context: LowerContext, rest: TensorValue, divisor: TensorValue): TensorValue {
  const zero = context.scalar(0, rest.dtype);
  if (allKnownSatisfy(context, divisor, (element) => Number(element) > 0)) return compare(context, 'Less', rest, zero);
  if (allKnownSatisfy(context, divisor, (element) => Number(element) < 0))
    return compare(context, 'Greater', rest, zero);
  const signs = [rest, divisor].map((tensor) => context.node('Sign', [tensor]));
  const [a = zero, b = zero] = signs;
  return compare(context, 'Less', binary(context, 'Mul', a, b), zero);
}

/** The exact quotient of floats, rounded down. Computed from the remainder, because a rounded quotient may be one too high. */
function floorOfFloats(context: LowerContext, x: TensorValue, y: TensorValue): TensorValue {
  const quotient = binary(context, 'Div', x, y);
  if (allKnownSatisfy(context, y, (element) => Number.isInteger(Math.log2(Math.abs(Number(element)))))) {
    return context.node('Floor', [quotient]);
  }
  const rest = modulo(context, x, y, true);
  const whole = context.node('Round', [binary(context, 'Div', binary(context, 'Sub', x, rest), y)]);
  const next = context.cast(hasOtherSign(context, rest, y), x.dtype);
  const floor = binary(context, 'Sub', whole, next);
  if (allKnownSatisfy(context, y, (element) => Number(element) !== 0)) return floor;
  return choose(context, compare(context, 'Equal', y, context.scalar(0, y.dtype)), quotient, floor);
}

/** The quotient of integers, rounded down: truncated, and one less if the remainder has another sign than the divisor. */
function floorOfIntegers(context: LowerContext, x: TensorValue, y: TensorValue): TensorValue {
  const quotient = truncatedQuotient(context, x, y);
  if (x.dtype === 'uint8') return quotient;
  const rest = binary(context, 'Sub', x, binary(context, 'Mul', quotient, y));
  return binary(context, 'Sub', quotient, context.cast(hasOtherSign(context, rest, y), x.dtype));
}

/** `a // b`. */
function floorDivide(context: LowerContext, a: Operand, b: Operand): TensorValue {
  const [x, y] = promoted(context, a, b);
  if (x.dtype === 'bool') return context.unsupported('the quotient of bool tensors', 'convert them to integers first');
  if (isFloating(x.dtype)) return floorOfFloats(context, x, y);
  return (
    folded(context, [x, y], x.dtype, (p = 0n, q = 0n) => ofScalars(context, 'floordiv', p, q)) ??
    floorOfIntegers(context, x, y)
  );
}

/** `a / b` rounded towards zero. */
function truncatedDivide(context: LowerContext, a: Operand, b: Operand): TensorValue {
  const [x, y] = promoted(context, a, b);
  if (isFloating(x.dtype)) return truncate(context, binary(context, 'Div', x, y));
  // Sizes are not negative, so rounding down gives the same, and the results stay sizes.
  const whole = (tensor: TensorValue): boolean => dimsOf(context, tensor)?.every((dim) => minimumOf(dim) >= 0) === true;
  return whole(x) && whole(y) ? floorDivide(context, x, y) : truncatedQuotient(context, x, y);
}

/** `a / b` by `rounding_mode`: null, `floor` or `trunc`. */
export function divideBy(context: LowerContext, a: Operand, b: Operand, mode: string | null): TensorValue {
  if (mode === null) return divide(context, a, b);
  return mode === 'floor' ? floorDivide(context, a, b) : truncatedDivide(context, a, b);
}

for (const name of ['div', 'divide', 'true_divide'] as const) {
  defineOp(`aten::${name}.Tensor(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    divide(context, self, withPythonNumber(other)),
  );
  defineOp(`aten::${name}.Scalar(Tensor self, Scalar other) -> Tensor`, (context, { self, other }) =>
    divide(context, self, other),
  );
}
for (const name of ['div', 'divide'] as const) {
  defineOp(
    `aten::${name}.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor`,
    (context, { self, other, rounding_mode: mode }) => divideBy(context, self, other, mode),
  );
  defineOp(
    `aten::${name}.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor`,
    (context, { self, other, rounding_mode: mode }) => divideBy(context, self, other, mode),
  );
}
defineOp('aten::floor_divide(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  floorDivide(context, self, other),
);
defineOp('aten::floor_divide.Scalar(Tensor self, Scalar other) -> Tensor', (context, { self, other }) =>
  floorDivide(context, self, other),
);

/** `a % b` with the sign of the divisor, as in Python. */
function remainder(context: LowerContext, a: Operand, b: Operand): TensorValue {
  const [x, y] = promoted(context, a, b);
  if (x.dtype === 'bool') return context.unsupported('the remainder of bool tensors', 'convert them to integers first');
  if (!isFloating(x.dtype)) {
    const remainderOf = (p: Scalar = 0n, q: Scalar = 0n): Scalar => ofScalars(context, 'mod', p, q);
    return folded(context, [x, y], x.dtype, remainderOf) ?? modulo(context, x, y, false);
  }
  const rest = modulo(context, x, y, true);
  return choose(context, hasOtherSign(context, rest, y), binary(context, 'Add', rest, y), rest);
}

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
  modulo(context, ...promoted(context, self, other), true),
);
defineOp('aten::fmod.Scalar(Tensor self, Scalar other) -> Tensor', (context, { self, other }) =>
  modulo(context, ...promoted(context, self, other), true),
);
defineOp('aten::reciprocal(Tensor self) -> Tensor', (context, { self }) =>
  context.node('Reciprocal', [asFloat(context, self)]),
);

/** The largest number of rounds of Euclid's algorithm for two integers of a dtype. */
const EUCLID_ROUNDS: Readonly<Record<string, number>> = { uint8: 13, int8: 11, int16: 23, int32: 46, int64: 92 };

/** The greatest common divisor of integers. It is not negative. */
function greatestDivisor(context: LowerContext, x: TensorValue, y: TensorValue): TensorValue {
  const rounds = EUCLID_ROUNDS[x.dtype];
  if (rounds === undefined)
    return context.unsupported(
      `the common divisor of ${x.dtype} tensors`,
      'convert them to integers: PyTorch defines it only for integers',
    );
  let [a, b] = [x, y].map((tensor) => context.node('Abs', [tensor])) as [TensorValue, TensorValue];
  for (let round = 0; round < rounds; round++) {
    const done = compare(context, 'Equal', b, context.scalar(0n, b.dtype));
    const divisor = choose(context, done, context.scalar(1n, b.dtype), b);
    // Surplus rounds divide by one, which leaves no remainder.
    [a, b] = [choose(context, done, a, b), modulo(context, a, divisor, false)];
  }
  return a;
}

defineOp('aten::gcd(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  greatestDivisor(context, ...promoted(context, self, other)),
);
defineOp('aten::lcm(Tensor self, Tensor other) -> Tensor', (context, { self, other }) => {
  const [x, y] = promoted(context, self, other);
  const divisor = greatestDivisor(context, x, y);
  const one = context.scalar(1n, x.dtype);
  const safe = choose(context, compare(context, 'Equal', divisor, context.scalar(0n, x.dtype)), one, divisor);
  return context.node('Abs', [binary(context, 'Mul', truncatedQuotient(context, x, safe), y)]);
});
