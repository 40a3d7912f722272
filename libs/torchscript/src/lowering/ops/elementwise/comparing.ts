import type { LowerContext } from '../../../executor/lower-context.ts';
import { isFloating } from '../../../executor/onnx-types.ts';
import type { TensorValue } from '../../../executor/values.ts';
import { binary, choose } from '../../arithmetic.ts';
import { flag } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { sameShape } from '../../dims.ts';
import { operandAs, resultType, type Operand } from '../../promotion.ts';
import { compareScalars, type Comparison } from '../../scalar-math.ts';
import { addScaled, multiply } from './arithmetic-ops.ts';
import { compareNode, fold } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Comparisons, and what tells special numbers from others. */
export const comparing = ops;

const NODES: Readonly<Record<Comparison, string>> = {
  eq: 'Equal',
  ne: 'Equal',
  lt: 'Less',
  le: 'LessOrEqual',
  gt: 'Greater',
  ge: 'GreaterOrEqual',
};

function compared(context: LowerContext, op: Comparison, a: Operand, b: Operand): TensorValue {
  const dtype = resultType([a, b]);
  const folded = fold(context, [a, b], {
    dtype,
    result: 'bool',
    compute: (x = 0n, y = 0n) => compareScalars(context, op, x, y),
  });
  if (folded !== undefined) return folded;
  const result = compareNode(context, NODES[op], a, b, dtype);
  return op === 'ne' ? context.node('Not', [result]) : result;
}

for (const [op, names] of [
  ['eq', ['eq']],
  ['ne', ['ne', 'not_equal']],
  ['lt', ['lt', 'less']],
  ['le', ['le', 'less_equal']],
  ['gt', ['gt', 'greater']],
  ['ge', ['ge', 'greater_equal']],
] as const) {
  for (const name of names) {
    defineOp(`aten::${name}.Tensor(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
      compared(context, op, self, other),
    );
    defineOp(`aten::${name}.Scalar(Tensor self, Scalar other) -> Tensor`, (context, { self, other }) =>
      compared(context, op, self, other),
    );
  }
}

// ---- special numbers -----------------------------------------------------------------------------------------------------

/** True for every element, or false for every one. */
function always(context: LowerContext, self: TensorValue, truth: boolean): TensorValue {
  return context.expand(context.reshape(context.scalar(truth, 'bool'), self.shape.map(() => 1)), self.shape);
}
const isInfinite = (context: LowerContext, self: TensorValue, positive: boolean, negative: boolean): TensorValue =>
  isFloating(self.dtype)
    ? context.node('IsInf', [self], {
        dtype: 'bool',
        attributes: { detect_positive: flag(positive), detect_negative: flag(negative) },
      })
    : always(context, self, false);
const isNotNumber = (context: LowerContext, self: TensorValue): TensorValue =>
  isFloating(self.dtype) ? context.node('IsNaN', [self], { dtype: 'bool' }) : always(context, self, false);
const isFinite = (context: LowerContext, self: TensorValue): TensorValue =>
  isFloating(self.dtype)
    ? compareNode(context, 'Less', context.node('Abs', [self]), Infinity, self.dtype)
    : always(context, self, true);
for (const [name, lower] of [
  ['isnan', isNotNumber],
  ['isfinite', isFinite],
  ['isinf', (context: LowerContext, self: TensorValue) => isInfinite(context, self, true, true)],
  ['isposinf', (context: LowerContext, self: TensorValue) => isInfinite(context, self, true, false)],
  ['isneginf', (context: LowerContext, self: TensorValue) => isInfinite(context, self, false, true)],
] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => lower(context, self));
}
defineOp('aten::isreal(Tensor self) -> Tensor', (context, { self }) => always(context, self, true));

/** The largest finite number of a dtype. */
const LARGEST: Readonly<Record<string, number>> = {
  float16: 65504,
  bfloat16: 3.3895313892515355e38,
  float32: 3.4028234663852886e38,
  float64: Number.MAX_VALUE,
};
defineOp(
  'aten::nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor',
  (context, { self, nan, posinf, neginf }) => {
    const { dtype } = self;
    const largest = LARGEST[dtype];
    if (largest === undefined) return context.node('Identity', [self]);
    const replaced = (at: TensorValue, value: number, rest: TensorValue): TensorValue =>
      choose(context, at, context.scalar(value, dtype), rest);
    const numbers = replaced(isNotNumber(context, self), nan ?? 0, self);
    const below = replaced(isInfinite(context, self, true, false), posinf ?? largest, numbers);
    return replaced(isInfinite(context, self, false, true), neginf ?? -largest, below);
  },
);

defineOp('aten::heaviside(Tensor self, Tensor values) -> Tensor', (context, { self, values }) => {
  const zero = compareNode(context, 'Equal', self, 0, self.dtype);
  const step = context.cast(compareNode(context, 'Greater', self, 0, self.dtype), self.dtype);
  return choose(context, zero, context.cast(values, self.dtype), step);
});

// ---- closeness -----------------------------------------------------------------------------------------------------------

interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
  readonly equal_nan: boolean;
}

function isClose(context: LowerContext, a: TensorValue, b: TensorValue, { rtol, atol, equal_nan }: Tolerance): TensorValue {
  const dtype = resultType([a, b]);
  const [x, y] = [operandAs(context, a, dtype), operandAs(context, b, dtype)];
  const same = compareNode(context, 'Equal', x, y, dtype);
  const gap = context.node('Abs', [addScaled(context, 'sub', x, y)]);
  const allowed = addScaled(context, 'add', multiply(context, context.node('Abs', [y]), rtol), atol);
  const near = compared(context, 'le', gap, allowed);
  const finite = isFloating(dtype) ? binary(context, 'And', near, isFinite(context, gap)) : near;
  const close = binary(context, 'Or', same, finite);
  if (!equal_nan) return close;
  return binary(context, 'Or', close, binary(context, 'And', isNotNumber(context, x), isNotNumber(context, y)));
}

/** Whether every element is true. */
function every(context: LowerContext, truths: TensorValue): TensorValue {
  const all = context.node('ReduceMin', [context.cast(truths, 'int32')], { shape: [], attributes: { keepdims: flag(false) } });
  return context.cast(all, 'bool');
}
defineOp(
  'aten::isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor',
  (context, { self, other, ...tolerance }) => isClose(context, self, other, tolerance),
);
defineOp(
  'aten::allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool',
  (context, { self, other, ...tolerance }) => context.item(every(context, isClose(context, self, other, tolerance))),
);
defineOp('aten::equal(Tensor self, Tensor other) -> bool', (context, { self, other }) => {
  if (self.rank !== other.rank) return false;
  if (!sameShape(self.shape, other.shape)) {
    const differ = self.shape.some((dim, i) => typeof dim === 'number' && typeof other.shape[i] === 'number' && dim !== other.shape[i]);
    return differ ? false : context.unsupported('comparing tensors whose sizes are known only at run time', 'compare elements of equal shapes');
  }
  return context.item(every(context, compared(context, 'eq', self, other)));
});
