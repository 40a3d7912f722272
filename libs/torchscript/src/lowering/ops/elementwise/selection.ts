import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import type { Scalar, TensorValue } from '../../../symbolic/values.ts';
import { choose, compare } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { isNan } from '../../nan.ts';
import { highestOf, lowestOf } from '../../number-range.ts';
import { operandAs, resultType, type Operand } from '../../promotion.ts';
import { arithmetic as ofScalars } from '../../scalar-math.ts';
import { extremeOfTwo } from '../reduction/extremes.ts';
import { folded, promoted } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Selection of elements and limits of their values. */
export const selection = ops;

/** `condition ? a : b`. */
function where(context: LowerContext, condition: TensorValue, a: Operand, b: Operand): TensorValue {
  return choose(context, context.cast(condition, 'bool'), ...promoted(context, a, b));
}

defineOp('aten::where.self(Tensor condition, Tensor self, Tensor other) -> Tensor', (context, args) =>
  where(context, args.condition, args.self, args.other),
);
defineOp('aten::where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor', (context, args) =>
  where(context, args.condition, args.self, args.other),
);
defineOp('aten::where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor', (context, args) =>
  where(context, args.condition, args.self, args.other),
);
defineOp('aten::where.Scalar(Tensor condition, Scalar self, Scalar other) -> Tensor', (context, args) =>
  where(context, args.condition, args.self, args.other),
);

/** The tensor with `value` for every element at which the mask is true. */
function maskedFill(context: LowerContext, self: TensorValue, mask: TensorValue, value: Operand): TensorValue {
  return choose(context, context.cast(mask, 'bool'), operandAs(context, value, self.dtype), self);
}

defineOp(
  'aten::masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor',
  (context, { self, mask, value }) => maskedFill(context, self, mask, value),
);
defineOp(
  'aten::masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor',
  (context, { self, mask, value }) => maskedFill(context, self, mask, value),
);

/** Limits the elements to [min, max]. If min is above max, the result is max, as in ONNX. */
function clamp(context: LowerContext, self: TensorValue, min: Scalar | null, max: Scalar | null): TensorValue {
  const bounds = [min, max].filter((bound) => bound !== null);
  const dtype = resultType([self, ...bounds]);
  if (dtype === 'bool') return context.unsupported('limits of a bool tensor', 'convert them to integers first');
  const x = context.cast(self, dtype);
  const known = folded(context, [x], dtype, (value = 0n) => {
    const raised = min === null ? value : ofScalars(context, 'max', value, min);
    return max === null ? raised : ofScalars(context, 'min', raised, max);
  });
  if (known !== undefined) return known;
  // Clip passes over a bound that is NaN, and without a bound it makes infinities finite.
  if (bounds.some((bound) => typeof bound === 'object' || Number.isNaN(bound)) && isFloating(dtype)) {
    const [least, most] = [min, max].map((bound) => (bound === null ? null : context.scalar(bound, dtype)));
    return clampTo(context, x, least ?? null, most ?? null);
  }
  const [low, high] = [min ?? lowestOf(dtype), max ?? highestOf(dtype)];
  return context.node('Clip', [x, context.scalar(low, dtype), context.scalar(high, dtype)]);
}

/** Limits the elements by bounds that are tensors. */
function clampTo(
  context: LowerContext,
  self: TensorValue,
  min: TensorValue | null,
  max: TensorValue | null,
): TensorValue {
  const raised = min === null ? self : extremeOfTwo(context, 'Max', self, min);
  return max === null ? raised : extremeOfTwo(context, 'Min', raised, max);
}

for (const name of ['clamp', 'clip'] as const) {
  defineOp(`aten::${name}(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor`, (context, { self, min, max }) =>
    clamp(context, self, min, max),
  );
  defineOp(
    `aten::${name}.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor`,
    (context, { self, min, max }) => clampTo(context, self, min, max),
  );
}
defineOp('aten::clamp_min(Tensor self, Scalar min) -> Tensor', (context, { self, min }) =>
  clamp(context, self, min, null),
);
defineOp('aten::clamp_max(Tensor self, Scalar max) -> Tensor', (context, { self, max }) =>
  clamp(context, self, null, max),
);
defineOp('aten::clamp_min.Tensor(Tensor self, Tensor min) -> Tensor', (context, { self, min }) =>
  clampTo(context, self, min, null),
);
defineOp('aten::clamp_max.Tensor(Tensor self, Tensor max) -> Tensor', (context, { self, max }) =>
  clampTo(context, self, null, max),
);

for (const [name, ignoring, extreme] of [
  ['maximum', 'fmax', 'Max'],
  ['minimum', 'fmin', 'Min'],
] as const) {
  defineOp(`aten::${name}(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    extremeOfTwo(context, extreme, self, other),
  );
  // The result is NaN only if both elements are NaN.
  defineOp(`aten::${ignoring}(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) => {
    const [x, y] = promoted(context, self, other);
    const known = choose(context, isNan(context, y), x, extremeOfTwo(context, extreme, x, y));
    return choose(context, isNan(context, x), y, known);
  });
}

defineOp(
  'aten::threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor',
  (context, { self, threshold, value }) => {
    const limit = context.scalar(threshold, self.dtype);
    return choose(context, compare(context, 'LessOrEqual', self, limit), context.scalar(value, self.dtype), self);
  },
);
