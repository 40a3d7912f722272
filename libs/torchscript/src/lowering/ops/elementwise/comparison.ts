import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import type { Scalar, TensorValue } from '../../../symbolic/values.ts';
import { binary, compare } from '../../arithmetic.ts';
import { flag } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { isNan } from '../../nan.ts';
import { sameShape } from '../../dims.ts';
import type { Operand } from '../../promotion.ts';
import { compareScalars, type Comparison } from '../../scalar-math.ts';
import { isFinite } from './number-kinds.ts';
import { folded, promoted } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Comparisons of elements and of whole tensors. */
export const comparison = ops;

const NODES: Readonly<Record<Comparison, string>> = {
  eq: 'Equal',
  ne: 'Equal',
  lt: 'Less',
  le: 'LessOrEqual',
  gt: 'Greater',
  ge: 'GreaterOrEqual',
};

function compared(context: LowerContext, op: Comparison, a: Operand, b: Operand): TensorValue {
  const [x, y] = promoted(context, a, b);
  const known = folded(context, [x, y], 'bool', (p = 0n, q = 0n) => compareScalars(context, op, p, q));
  if (known !== undefined) return known;
  const result = compare(context, NODES[op], x, y);
  return op === 'ne' ? context.node('Not', [result]) : result;
}

for (const [name, op] of [
  ['eq', 'eq'],
  ['ne', 'ne'],
  ['lt', 'lt'],
  ['le', 'le'],
  ['gt', 'gt'],
  ['ge', 'ge'],
  ['not_equal', 'ne'],
  ['less', 'lt'],
  ['less_equal', 'le'],
  ['greater', 'gt'],
  ['greater_equal', 'ge'],
] as const) {
  defineOp(`aten::${name}.Tensor(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    compared(context, op, self, other),
  );
  defineOp(`aten::${name}.Scalar(Tensor self, Scalar other) -> Tensor`, (context, { self, other }) =>
    compared(context, op, self, other),
  );
}

/** The tolerance of a comparison. */
interface Closeness {
  readonly rtol: number;
  readonly atol: number;
  /** True if NaN equals NaN. */
  readonly nan: boolean;
}

/** `|self - other| <= atol + rtol * |other|`. Equal infinities are close too. */
function isClose(
  context: LowerContext,
  self: TensorValue,
  other: TensorValue,
  { rtol, atol, nan }: Closeness,
): TensorValue {
  const equal = compare(context, 'Equal', self, other);
  const both =
    nan && isFloating(self.dtype) ? binary(context, 'And', isNan(context, self), isNan(context, other)) : undefined;
  const same = both === undefined ? equal : binary(context, 'Or', equal, both);
  if (rtol === 0 && atol === 0) return same;
  const [x, y] = isFloating(self.dtype)
    ? [self, other]
    : [context.cast(self, 'float64'), context.cast(other, 'float64')];
  const number = (value: number): TensorValue => context.scalar(value, x.dtype);
  const difference = context.node('Abs', [binary(context, 'Sub', x, y)]);
  const allowed = binary(context, 'Add', binary(context, 'Mul', context.node('Abs', [y]), number(rtol)), number(atol));
  const near = binary(
    context,
    'And',
    isFinite(context, difference),
    compare(context, 'LessOrEqual', difference, allowed),
  );
  return binary(context, 'Or', same, near);
}

/** Tells whether all elements are true, as a boolean of the program. */
function allTrue(context: LowerContext, truths: TensorValue): Scalar {
  const least = context.node('ReduceMin', [context.cast(truths, 'int32')], {
    shape: [],
    attributes: { keepdims: flag(false) },
  });
  return context.item(context.cast(least, 'bool'));
}

defineOp(
  'aten::isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor',
  (context, { self, other, rtol, atol, equal_nan: nan }) => isClose(context, self, other, { rtol, atol, nan }),
);
defineOp(
  'aten::allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool',
  (context, { self, other, rtol, atol, equal_nan: nan }) =>
    allTrue(context, isClose(context, self, other, { rtol, atol, nan })),
);
defineOp(
  'aten::equal(Tensor self, Tensor other) -> bool',
  (context, { self, other }) => {
    const [a, b] = [self.content.shape, other.content.shape];
    if (
      a.length !== b.length ||
      a.some((dim, i) => typeof dim === 'number' && typeof b[i] === 'number' && dim !== b[i])
    ) {
      return false;
    }
    if (sameShape(a, b)) return allTrue(context, compare(context, 'Equal', ...promoted(context, self, other)));
    return context.unsupported(
      'equal of tensors that may differ in size',
      'compare their elements with (a == b).all(), or fix the sizes with --input name:dtype[sizes]',
    );
  },
  { limits: 'tensors whose sizes may differ are refused' },
);
