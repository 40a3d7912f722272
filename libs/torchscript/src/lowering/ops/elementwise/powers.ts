import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { TensorValue } from '../../../symbolic/values.ts';
import { binary, choose } from '../../arithmetic.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { asFloat, operandAs, resultType, type Operand } from '../../promotion.ts';
import { arithmetic as ofScalars } from '../../scalar-math.ts';
import { multiply } from './arithmetic.ts';
import { isInfinite } from './number-kinds.ts';
import { folded, inDouble, promoted, promotedFloats } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Powers and roots. */
export const powers = ops;

/** Up to this exponent powers of integers are computed by multiplication, which wraps around as in PyTorch. */
const MAX_MULTIPLIED = 64;

/** `x ** exponent` by squaring. `exponent` is a whole number of at least 1. */
function byMultiplying(context: LowerContext, x: TensorValue, exponent: number): TensorValue {
  if (exponent === 1) return copyOf(x);
  const half = byMultiplying(context, x, Math.floor(exponent / 2));
  const square = binary(context, 'Mul', half, half);
  return exponent % 2 === 0 ? square : binary(context, 'Mul', square, x);
}

/** The power for exponents that PyTorch computes in a simpler way for floats. Undefined for other exponents. */
function simplePower(context: LowerContext, x: TensorValue, exponent: number): TensorValue | undefined {
  const inverse = (tensor: TensorValue): TensorValue => context.node('Reciprocal', [tensor]);
  switch (exponent) {
    case 0.5:
      return context.node('Sqrt', [x]);
    case 1:
    case 2:
    case 3:
      return byMultiplying(context, x, exponent);
    case -0.5:
      return inverse(context.node('Sqrt', [x]));
    case -1:
      return inverse(x);
    case -2:
      return inverse(byMultiplying(context, x, 2));
    default:
      return undefined;
  }
}

/** `base ** exponent` in `dtype`. */
function power(
  context: LowerContext,
  base: Operand,
  exponent: Operand,
  dtype = resultType([base, exponent]),
): TensorValue {
  const [x, y] = promoted(context, base, exponent, dtype);
  if (dtype === 'bool') return context.unsupported('a power of a bool tensor', 'convert them to integers first');
  const number = exponent instanceof TensorValue || typeof exponent === 'object' ? undefined : Number(exponent);
  if (isFloating(dtype)) {
    return (number === undefined ? undefined : simplePower(context, x, number)) ?? binary(context, 'Pow', x, y);
  }
  if (number !== undefined && number < 0)
    return context.unsupported('a negative power of integers', 'PyTorch refuses it too: convert them to floats first');
  return (
    folded(context, [x, y], dtype, (p = 0n, q = 0n) => ofScalars(context, 'pow', p, q)) ??
    (number !== undefined && number > 0 && number <= MAX_MULTIPLIED
      ? byMultiplying(context, x, number)
      : binary(context, 'Pow', x, y))
  );
}

defineOp('aten::pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor', (context, { self, exponent }) =>
  power(context, self, exponent),
);
defineOp('aten::pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor', (context, { self, exponent }) =>
  power(context, self, exponent),
);
defineOp('aten::pow.Scalar(Scalar self, Tensor exponent) -> Tensor', (context, { self, exponent }) =>
  power(context, self, exponent),
);
defineOp('aten::float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor', (context, { self, exponent }) =>
  power(context, self, exponent, 'float64'),
);
defineOp('aten::float_power.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor', (context, { self, exponent }) =>
  power(context, self, exponent, 'float64'),
);
defineOp('aten::float_power.Scalar(Scalar self, Tensor exponent) -> Tensor', (context, { self, exponent }) =>
  power(context, self, exponent, 'float64'),
);
defineOp('aten::square(Tensor self) -> Tensor', (context, { self }) => power(context, self, 2n));
defineOp('aten::sqrt(Tensor self) -> Tensor', (context, { self }) => context.node('Sqrt', [asFloat(context, self)]));
defineOp('aten::rsqrt(Tensor self) -> Tensor', (context, { self }) =>
  context.node('Reciprocal', [context.node('Sqrt', [asFloat(context, self)])]),
);
defineOp('aten::hypot(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  // In float64 the squares of float32 numbers do not overflow.
  inDouble(context, promotedFloats(context, self, other), (x = self, y = self) => {
    const squares = [x, y].map((side) => binary(context, 'Mul', side, side));
    const root = context.node('Sqrt', [binary(context, 'Add', squares[0] ?? self, squares[1] ?? self)]);
    // An infinite side makes the result infinite, also beside NaN.
    const infinite = binary(context, 'Or', isInfinite(context, x), isInfinite(context, y));
    return choose(context, infinite, context.scalar(Infinity, root.dtype), root);
  }),
);
defineOp('aten::ldexp.Tensor(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  multiply(context, self, power(context, operandAs(context, 2, 'float32'), other)),
);
