import type { LowerContext } from '../../../executor/lower-context.ts';
import { isFloating } from '../../../executor/onnx-types.ts';
import type { Scalar, TensorValue } from '../../../executor/values.ts';
import { choose } from '../../arithmetic.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { operandAs, resultType, type Operand } from '../../promotion.ts';
import { arithmetic } from '../../scalar-math.ts';
import { binaryNode, fold } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Choices between elements: greater and lesser ones, bounds, conditions. */
export const choosing = ops;

/** The greater or the lesser of two; NaN where one is. */
export function extreme(context: LowerContext, op: 'min' | 'max', a: Operand, b: Operand, dtype = resultType([a, b])): TensorValue {
  const folded = fold(context, [a, b], { dtype, compute: (x = 0n, y = 0n) => arithmetic(context, op, x, y) });
  if (folded !== undefined) return folded;
  const opType = dtype === 'bool' ? (op === 'max' ? 'Or' : 'And') : op === 'max' ? 'Max' : 'Min';
  return binaryNode(context, opType, a, b, dtype);
}

for (const [op, names] of [
  ['max', ['maximum', 'max.other']],
  ['min', ['minimum', 'min.other']],
] as const) {
  for (const name of names) {
    defineOp(`aten::${name}(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
      extreme(context, op, self, other),
    );
  }
  defineOp(`aten::f${op}(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) => {
    const dtype = resultType([self, other]);
    if (!isFloating(dtype)) return extreme(context, op, self, other);
    const [x, y] = [context.cast(self, dtype), context.cast(other, dtype)];
    const isNaN = (tensor: TensorValue): TensorValue => context.node('IsNaN', [tensor], { dtype: 'bool' });
    return choose(context, isNaN(x), y, choose(context, isNaN(y), x, extreme(context, op, x, y)));
  });
}

/** Elements kept within bounds; null is none. */
export function clamp(context: LowerContext, self: TensorValue, low: Operand | null, high: Operand | null): TensorValue {
  const dtype = resultType([self, ...(low === null ? [] : [low]), ...(high === null ? [] : [high])]);
  const isNumber = (bound: Operand | null): bound is Scalar | null =>
    bound === null || typeof bound !== 'object' || !('rank' in bound);
  if (isNumber(low) && isNumber(high) && context.elementsOf(self) === undefined) {
    if (low === null && high === null) return copyOf(self);
    const [min, max] = [low, high].map((bound) => (bound === null ? null : context.scalar(bound, dtype)));
    return context.node('Clip', [context.cast(self, dtype), min ?? null, ...(max == null ? [] : [max])]);
  }
  const raised = low === null ? self : extreme(context, 'max', self, low, dtype);
  const cut = high === null ? raised : extreme(context, 'min', raised, high, dtype);
  return cut === self ? copyOf(self) : cut;
}

for (const name of ['clamp', 'clip'] as const) {
  defineOp(`aten::${name}(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor`, (context, { self, min, max }) =>
    clamp(context, self, min, max),
  );
  defineOp(`aten::${name}.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor`, (context, { self, min, max }) =>
    clamp(context, self, min, max),
  );
}
for (const key of ['clamp_min(Tensor self, Scalar min)', 'clamp_min.Tensor(Tensor self, Tensor min)'] as const) {
  defineOp(`aten::${key} -> Tensor`, (context, { self, min }) => clamp(context, self, min, null));
}
for (const key of ['clamp_max(Tensor self, Scalar max)', 'clamp_max.Tensor(Tensor self, Tensor max)'] as const) {
  defineOp(`aten::${key} -> Tensor`, (context, { self, max }) => clamp(context, self, null, max));
}

// ---- conditions ----------------------------------------------------------------------------------------------------------

function where(context: LowerContext, condition: TensorValue, a: Operand, b: Operand): TensorValue {
  const dtype = resultType([a, b]);
  return choose(context, context.cast(condition, 'bool'), operandAs(context, a, dtype), operandAs(context, b, dtype));
}
for (const key of [
  'self(Tensor condition, Tensor self, Tensor other)',
  'ScalarOther(Tensor condition, Tensor self, Scalar other)',
  'ScalarSelf(Tensor condition, Scalar self, Tensor other)',
  'Scalar(Tensor condition, Scalar self, Scalar other)',
] as const) {
  defineOp(`aten::where.${key} -> Tensor`, (context, { condition, self, other }) =>
    where(context, condition, self, other),
  );
}
for (const key of [
  'Scalar(Tensor self, Tensor mask, Scalar value)',
  'Tensor(Tensor self, Tensor mask, Tensor value)',
] as const) {
  defineOp(`aten::masked_fill.${key} -> Tensor`, (context, { self, mask, value }) =>
    choose(context, context.cast(mask, 'bool'), operandAs(context, value, self.dtype), self),
  );
}
