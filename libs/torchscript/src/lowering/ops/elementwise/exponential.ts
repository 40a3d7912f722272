import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { binary, choose, compare } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { isNan } from '../../nan.ts';
import { asFloat, type Operand } from '../../promotion.ts';
import { inDouble, promotedFloats } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Exponentials, logarithms and the error function. For integers the result is float32. */
export const exponential = ops;

const number = (context: LowerContext, value: number, like: TensorValue): TensorValue =>
  context.scalar(value, like.dtype);

for (const [names, opType] of [
  [['exp'], 'Exp'],
  [['log'], 'Log'],
  [['erf', 'special_erf'], 'Erf'],
] as const) {
  for (const name of names) {
    defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) =>
      context.node(opType, [asFloat(context, self)]),
    );
  }
}

/**
 * `1 / (1 + exp(-x))`. In float64 it is written as arithmetic: ONNX Runtime fuses `x * Sigmoid(x)` to a node that has no
 * kernel for float64.
 */
export function sigmoid(context: LowerContext, self: TensorValue): TensorValue {
  if (self.dtype !== 'float64') return context.node('Sigmoid', [asFloat(context, self)]);
  const power = context.node('Exp', [context.node('Neg', [self])]);
  return context.node('Reciprocal', [binary(context, 'Add', power, number(context, 1, self))]);
}

for (const name of ['sigmoid', 'special_expit'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => sigmoid(context, self));
}

/** `log(x) / log(base)`. */
function logarithm(context: LowerContext, self: TensorValue, base: number): TensorValue {
  return inDouble(context, [self], (x = self) =>
    binary(context, 'Div', context.node('Log', [x]), number(context, Math.log(base), x)),
  );
}

/** Below this value the first terms of the series are more exact than the difference. */
const SERIES_BELOW = 1e-4;

/** `x + second x² + third x³` for x near zero, `far(x)` for other x. */
function seriesNearZero(
  context: LowerContext,
  self: TensorValue,
  [second, third]: readonly [number, number],
  far: (x: TensorValue) => TensorValue,
): TensorValue {
  return inDouble(context, [self], (x = self) => {
    const term = (factor: number, of: TensorValue): TensorValue =>
      binary(context, 'Mul', of, number(context, factor, x));
    const inner = binary(context, 'Add', number(context, second, x), term(third, x));
    const outer = binary(context, 'Add', number(context, 1, x), binary(context, 'Mul', inner, x));
    const small = compare(context, 'Less', context.node('Abs', [x]), number(context, SERIES_BELOW, x));
    return choose(context, small, binary(context, 'Mul', outer, x), far(x));
  });
}

/** `log(1 + x)`. */
export function log1p(context: LowerContext, self: TensorValue): TensorValue {
  return seriesNearZero(context, self, [-1 / 2, 1 / 3], (x) =>
    context.node('Log', [binary(context, 'Add', x, number(context, 1, x))]),
  );
}

/** `exp(x) - 1`. */
export function expm1(context: LowerContext, self: TensorValue): TensorValue {
  return seriesNearZero(context, self, [1 / 2, 1 / 6], (x) =>
    binary(context, 'Sub', context.node('Exp', [x]), number(context, 1, x)),
  );
}

/** `2 ** x`. */
function exp2(context: LowerContext, self: TensorValue): TensorValue {
  const x = asFloat(context, self);
  return binary(context, 'Pow', number(context, 2, x), x);
}

defineOp('aten::log2(Tensor self) -> Tensor', (context, { self }) => logarithm(context, self, 2));
defineOp('aten::log10(Tensor self) -> Tensor', (context, { self }) => logarithm(context, self, 10));
for (const name of ['log1p', 'special_log1p'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => log1p(context, self));
}
for (const name of ['expm1', 'special_expm1'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => expm1(context, self));
}
for (const name of ['exp2', 'special_exp2'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => exp2(context, self));
}

/** `1 - erf(x)`. */
function complementaryError(context: LowerContext, x: TensorValue): TensorValue {
  return binary(context, 'Sub', number(context, 1, x), context.node('Erf', [x]));
}

const SMALL_TAIL = { limits: 'results below 1e-7 become 0' };

for (const name of ['erfc', 'special_erfc'] as const) {
  defineOp(
    `aten::${name}(Tensor self) -> Tensor`,
    (context, { self }) => complementaryError(context, asFloat(context, self)),
    SMALL_TAIL,
  );
}
defineOp(
  'aten::special_ndtr(Tensor self) -> Tensor',
  (context, { self }) => {
    const x = asFloat(context, self);
    const error = complementaryError(context, binary(context, 'Mul', x, number(context, -Math.SQRT1_2, x)));
    return binary(context, 'Mul', error, number(context, 0.5, x));
  },
  SMALL_TAIL,
);

for (const name of ['logit', 'special_logit'] as const) {
  defineOp(`aten::${name}(Tensor self, float? eps=None) -> Tensor`, (context, { self, eps }) => {
    const x = asFloat(context, self);
    const one = number(context, 1, x);
    const p = eps === null ? x : context.node('Clip', [x, number(context, eps, x), context.scalar(1 - eps, x.dtype)]);
    return context.node('Log', [binary(context, 'Div', p, binary(context, 'Sub', one, p))]);
  });
}

/** `log(base ** a + base ** b)` without overflow. */
function logOfSum(context: LowerContext, base: number, self: TensorValue, other: TensorValue): TensorValue {
  return inDouble(context, promotedFloats(context, self, other), (a = self, b = other) => {
    const scale = number(context, Math.log(base), a);
    const gap = context.node('Neg', [context.node('Abs', [binary(context, 'Sub', a, b)])]);
    const tail = log1p(context, context.node('Exp', [binary(context, 'Mul', gap, scale)]));
    const apart = binary(context, 'Add', binary(context, 'Max', a, b), binary(context, 'Div', tail, scale));
    // The difference of equal infinities is NaN, so they are added in another way.
    const doubled = binary(context, 'Add', a, number(context, Math.LN2 / Math.log(base), a));
    return choose(context, compare(context, 'Equal', a, b), doubled, apart);
  });
}

defineOp('aten::logaddexp(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  logOfSum(context, Math.E, self, other),
);
defineOp('aten::logaddexp2(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  logOfSum(context, 2, self, other),
);

/** `x * log(y)`, and 0 if `x` is 0. */
function timesLog(
  context: LowerContext,
  a: Operand,
  b: Operand,
  log: (context: LowerContext, y: TensorValue) => TensorValue,
): TensorValue {
  const [x, y] = promotedFloats(context, a, b);
  const zero = number(context, 0, x);
  const product = choose(context, compare(context, 'Equal', x, zero), zero, binary(context, 'Mul', x, log(context, y)));
  return choose(context, isNan(context, y), y, product);
}

const plainLog = (context: LowerContext, y: TensorValue): TensorValue => context.node('Log', [y]);

for (const [name, scalarOther, scalarSelf, log] of [
  ['xlogy', 'Scalar_Other', 'Scalar_Self', plainLog],
  ['special_xlogy', 'other_scalar', 'self_scalar', plainLog],
  ['special_xlog1py', 'other_scalar', 'self_scalar', log1p],
] as const) {
  const overload = name === 'xlogy' ? '.Tensor' : '';
  defineOp(`aten::${name}${overload}(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    timesLog(context, self, other, log),
  );
  defineOp(`aten::${name}.${scalarOther}(Tensor self, Scalar other) -> Tensor`, (context, { self, other }) =>
    timesLog(context, self, other, log),
  );
  defineOp(`aten::${name}.${scalarSelf}(Scalar self, Tensor other) -> Tensor`, (context, { self, other }) =>
    timesLog(context, self, other, log),
  );
}
