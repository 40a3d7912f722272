import { SymBool } from '../../../symbolic/values.ts';
import { binary } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { not } from '../../scalar-math.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Logical operators. A number counts as true if it is not zero. */
export const logical = ops;

for (const [name, opType] of [
  ['logical_and', 'And'],
  ['logical_or', 'Or'],
  ['logical_xor', 'Xor'],
] as const) {
  defineOp(`aten::${name}(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    binary(context, opType, context.cast(self, 'bool'), context.cast(other, 'bool')),
  );
}

defineOp('aten::logical_not(Tensor self) -> Tensor', (context, { self }) => {
  const truths = context.cast(self, 'bool');
  const [known] = truths.rank === 0 ? (context.elementsOf(truths) ?? []) : [];
  return typeof known === 'boolean' || known instanceof SymBool
    ? context.scalar(not(known), 'bool')
    : context.node('Not', [truths]);
});
