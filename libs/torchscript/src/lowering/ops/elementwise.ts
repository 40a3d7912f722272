import { isComplex, magnitude } from '../complex.ts';
import { arithmetic, compareScalars, type Comparison } from '../scalar-math.ts';
import { broadcastShapes } from '../broadcast.ts';
import { opFamily } from '../define-op.ts';
import { asFloat, floatType, operandAs, resultType, type Operand } from '../promotion.ts';
import type { LowerContext } from '../../executor/lower-context.ts';
import { isFloating } from '../../executor/onnx-types.ts';
import { TensorValue, type Scalar } from '../../executor/values.ts';
import type { ScalarType } from '../../scalar-type.ts';

const { ops, defineOp } = opFamily('elementwise');
export const elementwise = ops;
const shapeOf = (context: LowerContext, ...o: Operand[]): ReturnType<typeof broadcastShapes> => broadcastShapes(context, ...o.map((x) => (x instanceof TensorValue ? x.shape : [])));
/** Folds where every operand is a known 0-d tensor or number. */
function fold(context: LowerContext, a: Operand, b: Operand, f: (a: Scalar, b: Scalar) => Scalar, dtype: ScalarType): TensorValue | undefined {
  const of = (o: Operand): Scalar | undefined => (o instanceof TensorValue ? (o.rank === 0 ? context.elementsOf(o)?.[0] : undefined) : o);
  const [x, y] = [of(a), of(b)];
  if (x === undefined || y === undefined || isFloating(dtype)) return undefined;
  return context.scalar(f(x, y), dtype);
}
function binary(context: LowerContext, opType: string, a: Operand, b: Operand, dtype: ScalarType): TensorValue {
  return context.node(opType, [operandAs(context, a, dtype), operandAs(context, b, dtype)], { dtype, shape: shapeOf(context, a, b) });
}
const scaled = (context: LowerContext, other: Operand, alpha: Scalar): Operand => (alpha === 1n || alpha === 1 ? other : other instanceof TensorValue ? binary(context, 'Mul', other, alpha, resultType([other, alpha])) : arithmetic(context, 'mul', other, alpha));
const add = (context: LowerContext, a: Operand, b: Operand, alpha: Scalar): TensorValue => { const s = scaled(context, b, alpha); const d = resultType([a, s]); return fold(context, a, s, (x, y) => arithmetic(context, 'add', x, y), d) ?? binary(context, d === 'bool' ? 'Or' : 'Add', a, s, d); };
const sub = (context: LowerContext, a: Operand, b: Operand, alpha: Scalar): TensorValue => { const s = scaled(context, b, alpha); const d = resultType([a, s]); return fold(context, a, s, (x, y) => arithmetic(context, 'sub', x, y), d) ?? binary(context, 'Sub', a, s, d); };
defineOp('aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor', (c, { self, other, alpha }) => add(c, self, other, alpha));
defineOp('aten::add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor', (c, { self, other, alpha }) => add(c, self, other, alpha));
defineOp('aten::sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor', (c, { self, other, alpha }) => sub(c, self, other, alpha));
defineOp('aten::sub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor', (c, { self, other, alpha }) => sub(c, self, other, alpha));
defineOp('aten::rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor', (c, { self, other, alpha }) => sub(c, other, self, alpha));
defineOp('aten::rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor', (c, { self, other, alpha }) => sub(c, other, self, alpha));
const mul = (c: LowerContext, a: Operand, b: Operand): TensorValue => { const d = resultType([a, b]); return fold(c, a, b, (x, y) => arithmetic(c, 'mul', x, y), d) ?? binary(c, d === 'bool' ? 'And' : 'Mul', a, b, d); };
defineOp('aten::mul.Tensor(Tensor self, Tensor other) -> Tensor', (c, { self, other }) => mul(c, self, other));
defineOp('aten::mul.Scalar(Tensor self, Scalar other) -> Tensor', (c, { self, other }) => mul(c, self, other));
const floorDiv = (c: LowerContext, a: Operand, b: Operand): TensorValue => {
  const d = resultType([a, b]); const folded = fold(c, a, b, (x, y) => arithmetic(c, 'floordiv', x, y), d); if (folded) return folded;
  if (isFloating(d)) return c.node('Floor', [binary(c, 'Div', a, b, d)]);
  const [x, y] = [operandAs(c, a, d), operandAs(c, b, d)]; const r = c.node('Mod', [x, y], { dtype: d, shape: shapeOf(c, a, b) });
  return c.node('Div', [c.node('Sub', [x, r], { dtype: d, shape: r.shape }), y], { dtype: d, shape: r.shape });
};
const div = (c: LowerContext, a: Operand, b: Operand, mode: string | null): TensorValue => {
  if (mode === 'floor') return floorDiv(c, a, b);
  const d = resultType([a, b]);
  if (mode === 'trunc') { if (!isFloating(d)) return binary(c, 'Div', a, b, d); const q = binary(c, 'Div', a, b, d); return c.node('Mul', [c.node('Sign', [q]), c.node('Floor', [c.node('Abs', [q])])]); }
  return binary(c, 'Div', a, b, floatType(d));
};
defineOp('aten::div.Tensor(Tensor self, Tensor other) -> Tensor', (c, { self, other }) => div(c, self, other, null));
defineOp('aten::div.Scalar(Tensor self, Scalar other) -> Tensor', (c, { self, other }) => div(c, self, other, null));
defineOp('aten::div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor', (c, { self, other, rounding_mode }) => div(c, self, other, rounding_mode));
defineOp('aten::div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor', (c, { self, other, rounding_mode }) => div(c, self, other, rounding_mode));
defineOp('aten::floor_divide(Tensor self, Tensor other) -> Tensor', (c, { self, other }) => floorDiv(c, self, other));
defineOp('aten::floor_divide.Scalar(Tensor self, Scalar other) -> Tensor', (c, { self, other }) => floorDiv(c, self, other));
const remainder = (c: LowerContext, a: Operand, b: Operand): TensorValue => { const d = resultType([a, b]); const f = fold(c, a, b, (x, y) => arithmetic(c, 'mod', x, y), d); if (f) return f; if (!isFloating(d)) return binary(c, 'Mod', a, b, d); return sub(c, a, mul(c, floorDiv(c, a, b), b), 1n); };
defineOp('aten::remainder.Tensor(Tensor self, Tensor other) -> Tensor', (c, { self, other }) => remainder(c, self, other));
defineOp('aten::remainder.Scalar(Tensor self, Scalar other) -> Tensor', (c, { self, other }) => remainder(c, self, other));
const pow = (c: LowerContext, a: Operand, b: Operand): TensorValue => binary(c, 'Pow', a, b, resultType([a, b]));
defineOp('aten::pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor', (c, { self, exponent }) => pow(c, self, exponent));
defineOp('aten::pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor', (c, { self, exponent }) => pow(c, self, exponent));
defineOp('aten::pow.Scalar(Scalar self, Tensor exponent) -> Tensor', (c, { self, exponent }) => pow(c, self, exponent));
const COMPARE: Record<Comparison, string> = { eq: 'Equal', ne: 'Equal', lt: 'Less', le: 'LessOrEqual', gt: 'Greater', ge: 'GreaterOrEqual' };
for (const op of ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const) {
  const lower = (c: LowerContext, a: Operand, b: Operand): TensorValue => {
    const d = resultType([a, b]); const f = fold(c, a, b, (x, y) => compareScalars(c, op, x, y), 'bool'); if (f) return f;
    const held = d === 'bool' && op !== 'eq' && op !== 'ne' ? 'int32' : d;
    const r = c.node(COMPARE[op], [operandAs(c, a, held), operandAs(c, b, held)], { dtype: 'bool', shape: shapeOf(c, a, b) });
    return op === 'ne' ? c.node('Not', [r]) : r;
  };
  defineOp(`aten::${op}.Tensor(Tensor self, Tensor other) -> Tensor` as 'aten::eq.Tensor(Tensor self, Tensor other) -> Tensor', (c, { self, other }) => lower(c, self, other));
  defineOp(`aten::${op}.Scalar(Tensor self, Scalar other) -> Tensor` as 'aten::eq.Scalar(Tensor self, Scalar other) -> Tensor', (c, { self, other }) => lower(c, self, other));
}
for (const [n, o] of [['sqrt', 'Sqrt'], ['exp', 'Exp'], ['log', 'Log'], ['sin', 'Sin'], ['cos', 'Cos'], ['tan', 'Tan'], ['erf', 'Erf'], ['reciprocal', 'Reciprocal'], ['atan', 'Atan']] as const) defineOp(`aten::${n}(Tensor self) -> Tensor` as 'aten::sqrt(Tensor self) -> Tensor', (c, { self }) => c.node(o, [asFloat(c, self)]));
defineOp('aten::rsqrt(Tensor self) -> Tensor', (c, { self }) => c.node('Reciprocal', [c.node('Sqrt', [asFloat(c, self)])]));
defineOp('aten::abs(Tensor self) -> Tensor', (c, { self }) => (isComplex(self.dtype) ? magnitude(c, self) : c.node('Abs', [self])));
for (const [n, o] of [['neg', 'Neg'], ['sign', 'Sign']] as const) defineOp(`aten::${n}(Tensor self) -> Tensor` as 'aten::neg(Tensor self) -> Tensor', (c, { self }) => c.node(o, [self]));
for (const [n, o] of [['floor', 'Floor'], ['ceil', 'Ceil'], ['round', 'Round']] as const) defineOp(`aten::${n}(Tensor self) -> Tensor` as 'aten::neg(Tensor self) -> Tensor', (c, { self }) => (isFloating(self.dtype) ? c.node(o, [self]) : self));
defineOp('aten::clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor', (c, { self, min, max }) => { const d = resultType([self, ...[min, max].filter((x): x is Scalar => x !== null)]); return c.node('Clip', [c.cast(self, d), min === null ? null : c.scalar(min, d), max === null ? null : c.scalar(max, d)]); });
defineOp('aten::clamp_min(Tensor self, Scalar min) -> Tensor', (c, { self, min }) => c.node('Clip', [self, c.scalar(min, self.dtype)]));
defineOp('aten::clamp_max(Tensor self, Scalar max) -> Tensor', (c, { self, max }) => c.node('Clip', [self, null, c.scalar(max, self.dtype)]));
defineOp('aten::masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor', (c, { self, mask, value }) => c.node('Where', [mask, c.scalar(value, self.dtype), self], { dtype: self.dtype, shape: shapeOf(c, self, mask) }));
defineOp('aten::masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor', (c, { self, mask, value }) => c.node('Where', [mask, c.cast(value, self.dtype), self], { dtype: self.dtype, shape: shapeOf(c, self, mask) }));
const where = (c: LowerContext, condition: TensorValue, a: Operand, b: Operand): TensorValue => { const d = resultType([a, b]); return c.node('Where', [c.cast(condition, 'bool'), operandAs(c, a, d), operandAs(c, b, d)], { dtype: d, shape: shapeOf(c, condition, a, b) }); };
defineOp('aten::where.self(Tensor condition, Tensor self, Tensor other) -> Tensor', (c, { condition, self, other }) => where(c, condition, self, other));
defineOp('aten::where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor', (c, { condition, self, other }) => where(c, condition, self, other));
defineOp('aten::where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor', (c, { condition, self, other }) => where(c, condition, self, other));
defineOp('aten::logical_not(Tensor self) -> Tensor', (c, { self }) => c.node('Not', [c.cast(self, 'bool')]));
defineOp('aten::bitwise_not(Tensor self) -> Tensor', (c, { self }) => c.node(self.dtype === 'bool' ? 'Not' : 'BitwiseNot', [self]));
for (const [n, o] of [['logical_and', 'And'], ['logical_or', 'Or'], ['bitwise_and', 'And'], ['bitwise_or', 'Or'], ['__and__', 'And'], ['__or__', 'Or']] as const) defineOp(`aten::${n}.Tensor(Tensor self, Tensor other) -> Tensor` as 'aten::eq.Tensor(Tensor self, Tensor other) -> Tensor', (c, { self, other }) => binary(c, o, self, other, 'bool'));
