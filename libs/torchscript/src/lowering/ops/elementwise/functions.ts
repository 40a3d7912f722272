import type { LowerContext } from '../../../executor/lower-context.ts';
import { isFloating } from '../../../executor/onnx-types.ts';
import type { TensorValue } from '../../../executor/values.ts';
import { binary, choose } from '../../arithmetic.ts';
import { isComplex, magnitude } from '../../complex.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { asFloat, floatType, operandAs, resultType, type Operand } from '../../promotion.ts';
import { arithmetic } from '../../scalar-math.ts';
import { addScaled, divide, multiply } from './arithmetic-ops.ts';
import { truncated } from './division.ts';
import { binaryNode, compareNode, fold, inDouble, withNumber } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Functions of one number, and a few of two. */
export const functions = ops;

/** Functions that give floats and are one node: PyTorch's names, ONNX's operator, and what computes known elements. */
const FLOAT_FUNCTIONS = [
  [['sqrt'], 'Sqrt', Math.sqrt],
  [['reciprocal'], 'Reciprocal', (x: number) => 1 / x],
  [['exp'], 'Exp', Math.exp],
  [['log'], 'Log', Math.log],
  [['sin'], 'Sin', Math.sin],
  [['cos'], 'Cos', Math.cos],
  [['tan'], 'Tan', Math.tan],
  [['asin', 'arcsin'], 'Asin', Math.asin],
  [['acos', 'arccos'], 'Acos', Math.acos],
  [['atan', 'arctan'], 'Atan', Math.atan],
  [['sinh'], 'Sinh', Math.sinh],
  [['cosh'], 'Cosh', Math.cosh],
  [['tanh'], 'Tanh', Math.tanh],
  [['asinh', 'arcsinh'], 'Asinh', Math.asinh],
  [['acosh', 'arccosh'], 'Acosh', Math.acosh],
  [['atanh', 'arctanh'], 'Atanh', Math.atanh],
  [['erf', 'special_erf'], 'Erf', undefined],
] as const;
for (const [names, opType, compute] of FLOAT_FUNCTIONS) {
  for (const name of names) {
    defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => {
      const dtype = floatType(self.dtype);
      const folded =
        compute === undefined ? undefined : fold(context, [self], { dtype, compute: (x) => compute(Number(x)) });
      return folded ?? context.node(opType, [asFloat(context, self)]);
    });
  }
}

defineOp('aten::rsqrt(Tensor self) -> Tensor', (context, { self }) =>
  context.node('Reciprocal', [context.node('Sqrt', [asFloat(context, self)])]),
);
defineOp('aten::log2(Tensor self) -> Tensor', (context, { self }) =>
  inDouble(context, self, (x) => withNumber(context, 'Div', context.node('Log', [x]), Math.LN2)),
);
defineOp('aten::log10(Tensor self) -> Tensor', (context, { self }) =>
  inDouble(context, self, (x) => withNumber(context, 'Div', context.node('Log', [x]), Math.LN10)),
);
const log1p = (context: LowerContext, self: TensorValue): TensorValue =>
  inDouble(context, self, (x) => context.node('Log', [withNumber(context, 'Add', x, 1)]));
const expm1 = (context: LowerContext, self: TensorValue): TensorValue =>
  inDouble(context, self, (x) => withNumber(context, 'Sub', context.node('Exp', [x]), 1));
const erfc = (context: LowerContext, self: TensorValue): TensorValue => {
  const erf = context.node('Erf', [asFloat(context, self)]);
  return context.node('Sub', [context.scalar(1, erf.dtype), erf], { shape: erf.shape });
};
const sinc = (context: LowerContext, self: TensorValue): TensorValue => {
  const angle = withNumber(context, 'Mul', asFloat(context, self), Math.PI);
  const zero = compareNode(context, 'Equal', angle, 0, angle.dtype);
  const ratio = context.node('Div', [context.node('Sin', [angle]), angle]);
  return choose(context, zero, context.scalar(1, angle.dtype), ratio);
};
for (const [names, lower] of [
  [['log1p', 'special_log1p'], log1p],
  [['expm1', 'special_expm1'], expm1],
  [['erfc', 'special_erfc'], erfc],
  [['sinc', 'special_sinc'], sinc],
  [['deg2rad'], (context: LowerContext, self: TensorValue) => withNumber(context, 'Mul', asFloat(context, self), Math.PI / 180)],
  [['rad2deg'], (context: LowerContext, self: TensorValue) => withNumber(context, 'Mul', asFloat(context, self), 180 / Math.PI)],
] as const) {
  for (const name of names) defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => lower(context, self));
}
for (const name of ['logit', 'special_logit'] as const) {
  defineOp(`aten::${name}(Tensor self, float? eps=None) -> Tensor`, (context, { self, eps }) => {
    const float = asFloat(context, self);
    const x =
      eps === null
        ? float
        : context.node('Clip', [float, context.scalar(eps, float.dtype), context.scalar(1 - eps, float.dtype)]);
    const rest = context.node('Sub', [context.scalar(1, x.dtype), x], { shape: x.shape });
    return context.node('Log', [context.node('Div', [x, rest])]);
  });
}

// ---- signs and rounding ------------------------------------------------------------------------------------------------

for (const name of ['neg', 'negative'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => {
    const { dtype } = self;
    const folded = fold(context, [self], { dtype, compute: (x = 0n) => arithmetic(context, 'mul', x, typeof x === 'number' ? -1 : -1n) });
    return folded ?? context.node('Neg', [self]);
  });
}
for (const name of ['abs', 'absolute'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) =>
    isComplex(self.dtype) ? magnitude(context, self) : context.node('Abs', [self]),
  );
}
for (const name of ['sign', 'sgn'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) =>
    self.dtype === 'bool' ? copyOf(self) : context.node('Sign', [self]),
  );
}

/** Whether the sign bit is set, which -0 has too. */
function signBit(context: LowerContext, self: TensorValue): TensorValue {
  const below = compareNode(context, 'Less', self, 0, self.dtype);
  if (!isFloating(self.dtype)) return below;
  const inverse = context.node('Reciprocal', [self]);
  return binary(context, 'Or', below, compareNode(context, 'Less', inverse, 0, self.dtype));
}
defineOp('aten::signbit(Tensor self) -> Tensor', (context, { self }) => signBit(context, self));
function copySign(context: LowerContext, a: Operand, b: Operand): TensorValue {
  const dtype = floatType(resultType([a, b]));
  const size = context.node('Abs', [operandAs(context, a, dtype)]);
  return choose(context, signBit(context, operandAs(context, b, dtype)), context.node('Neg', [size]), size);
}
defineOp('aten::copysign.Tensor(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  copySign(context, self, other),
);
defineOp('aten::copysign.Scalar(Tensor self, Scalar other) -> Tensor', (context, { self, other }) =>
  copySign(context, self, other),
);

const roundEven = (value: number): number => {
  const floor = Math.floor(value);
  const part = value - floor;
  return part < 0.5 || (part === 0.5 && floor % 2 === 0) ? floor : floor + 1;
};
for (const [name, opType, compute] of [
  ['floor', 'Floor', Math.floor],
  ['ceil', 'Ceil', Math.ceil],
  ['round', 'Round', roundEven],
  ['special_round', 'Round', roundEven],
  ['trunc', undefined, Math.trunc],
  ['fix', undefined, Math.trunc],
] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => {
    if (!isFloating(self.dtype)) return copyOf(self);
    const folded = fold(context, [self], { dtype: self.dtype, compute: (x) => compute(Number(x)) });
    return folded ?? (opType === undefined ? truncated(context, self) : context.node(opType, [self]));
  });
}
defineOp('aten::round.decimals(Tensor self, *, int decimals) -> Tensor', (context, { self, decimals }) => {
  if (!isFloating(self.dtype)) return copyOf(self);
  const power = 10 ** Math.abs(decimals);
  const [before, after] = decimals < 0 ? ['Div', 'Mul'] : ['Mul', 'Div'];
  return withNumber(context, after, context.node('Round', [withNumber(context, before, self, power)]), power);
});
defineOp('aten::frac(Tensor self) -> Tensor', (context, { self }) =>
  context.node('Sub', [self, truncated(context, self)]),
);
for (const name of ['positive', 'conj', '_conj'] as const) {
  defineOp(`aten::${name}(Tensor(a) self) -> Tensor(a)`, (context, { self }) =>
    isComplex(self.dtype) ? context.unsupported(`${name} of complex numbers`) : self,
  );
}

// ---- of two numbers ----------------------------------------------------------------------------------------------------

for (const name of ['atan2', 'arctan2'] as const) {
  defineOp(`aten::${name}(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) => {
    const dtype = floatType(resultType([self, other]));
    const [y, x] = [context.cast(self, dtype), context.cast(other, dtype)];
    const angle = context.node('Atan', [binary(context, 'Div', y, x)]);
    // On the other half of the plane the angle is beyond a right one, to the side that the sign of y says.
    const half = choose(context, signBit(context, y), context.scalar(-Math.PI, dtype), context.scalar(Math.PI, dtype));
    const turned = choose(context, signBit(context, x), binary(context, 'Add', angle, half), angle);
    // 0 / 0 has no angle: it is 0, or pi where x is -0.
    const origin = choose(context, signBit(context, x), half, context.node('Mul', [half, context.scalar(0, dtype)]));
    const nowhere = binary(context, 'And', compareNode(context, 'Equal', x, 0, dtype), compareNode(context, 'Equal', y, 0, dtype));
    return choose(context, nowhere, origin, turned);
  });
}

/** `a * log(b)`, which is 0 where `a` is 0, whatever `b`; with `plus`, `a * log(1 + b)`. */
function timesLog(context: LowerContext, a: Operand, b: Operand, plus: boolean): TensorValue {
  const dtype = floatType(resultType([a, b]));
  const [factor, of] = [operandAs(context, a, dtype), operandAs(context, b, dtype)];
  const product = multiply(context, factor, plus ? log1p(context, of) : context.node('Log', [of]));
  const zero = compareNode(context, 'Equal', factor, 0, dtype);
  const known = binary(context, 'And', zero, context.node('Not', [context.node('IsNaN', [of], { dtype: 'bool' })]));
  return choose(context, known, context.scalar(0, dtype), product);
}
for (const [name, other, self] of [
  ['Tensor', 'other', 'self'],
  ['Scalar_Other', 'other', 'self'],
  ['Scalar_Self', 'other', 'self'],
] as const) {
  const types = { Tensor: ['Tensor', 'Tensor'], Scalar_Other: ['Tensor', 'Scalar'], Scalar_Self: ['Scalar', 'Tensor'] } as const;
  const [first, second] = types[name];
  defineOp(`aten::xlogy.${name}(${first} ${self}, ${second} ${other}) -> Tensor`, (context, args) =>
    timesLog(context, args.self, args.other, false),
  );
}
defineOp('aten::special_xlogy(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  timesLog(context, self, other, false),
);
defineOp('aten::special_xlog1py(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  timesLog(context, self, other, true),
);

/** `log(base ** a + base ** b)`. */
function logAddExp(context: LowerContext, a: TensorValue, b: TensorValue, base: number): TensorValue {
  const dtype = resultType([a, b]);
  const unit = Math.log(base);
  const greater = binaryNode(context, 'Max', a, b, dtype);
  const gap = context.node('Neg', [context.node('Abs', [addScaled(context, 'sub', a, b)])]);
  const raised = context.node('Exp', [unit === 1 ? gap : withNumber(context, 'Mul', gap, unit)]);
  const more = divide(context, log1p(context, raised), unit);
  // Infinities of one sign have no gap.
  const same = compareNode(context, 'Equal', a, b, dtype);
  const doubled = withNumber(context, 'Add', greater, Math.LN2 / unit);
  return choose(context, same, doubled, binary(context, 'Add', greater, more));
}
defineOp('aten::logaddexp(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  logAddExp(context, self, other, Math.E),
);
defineOp('aten::logaddexp2(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
  logAddExp(context, self, other, 2),
);
