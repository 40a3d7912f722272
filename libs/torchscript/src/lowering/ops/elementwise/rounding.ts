import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { binary, choose, compare } from '../../arithmetic.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { folded } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Rounding to whole numbers. Integers stay as they are. */
export const rounding = ops;

/** Rounds floats. `compute` rounds elements that are known at compile time. */
function rounded(
  context: LowerContext,
  self: TensorValue,
  compute: (value: number) => number,
  lower: (self: TensorValue) => TensorValue,
): TensorValue {
  if (!isFloating(self.dtype)) return copyOf(self);
  return folded(context, [self], self.dtype, (x = 0) => compute(Number(x))) ?? lower(self);
}

/** Rounds towards zero. */
export function truncate(context: LowerContext, self: TensorValue): TensorValue {
  return rounded(context, self, Math.trunc, (x) => {
    const negative = compare(context, 'Less', x, context.scalar(0, x.dtype));
    return choose(context, negative, context.node('Ceil', [x]), context.node('Floor', [x]));
  });
}

/** Rounds to the nearest whole number, ties to even. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : Math.ceil(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

for (const [name, opType, compute] of [
  ['floor', 'Floor', Math.floor],
  ['ceil', 'Ceil', Math.ceil],
  ['round', 'Round', roundHalfEven],
] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) =>
    rounded(context, self, compute, (x) => context.node(opType, [x])),
  );
}
for (const name of ['trunc', 'fix'] as const) {
  defineOp(`aten::${name}(Tensor self) -> Tensor`, (context, { self }) => truncate(context, self));
}

/** Rounds to `decimals` decimals. A negative number rounds to tens, hundreds, … */
function roundDecimals(context: LowerContext, self: TensorValue, decimals: number): TensorValue {
  if (!isFloating(self.dtype)) return copyOf(self);
  const power = context.scalar(10 ** Math.abs(decimals), self.dtype);
  const [there, back] = decimals < 0 ? ['Div', 'Mul'] : ['Mul', 'Div'];
  const whole = context.node('Round', [decimals === 0 ? self : binary(context, there ?? '', self, power)]);
  return decimals === 0 ? whole : binary(context, back ?? '', whole, power);
}

defineOp('aten::round.decimals(Tensor self, *, int decimals) -> Tensor', (context, { self, decimals }) =>
  roundDecimals(context, self, decimals),
);
defineOp('aten::special_round(Tensor self, *, int decimals=0) -> Tensor', (context, { self, decimals }) =>
  roundDecimals(context, self, decimals),
);
defineOp('aten::frac(Tensor self) -> Tensor', (context, { self }) =>
  isFloating(self.dtype)
    ? binary(context, 'Sub', self, truncate(context, self))
    : context.unsupported('the fraction of integers', 'PyTorch refuses it too: it is zero'),
);
