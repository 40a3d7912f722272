import type { LowerContext } from '../../../executor/lower-context.ts';
import type { TensorValue } from '../../../executor/values.ts';
import { binary } from '../../arithmetic.ts';
import { opFamily } from '../../define-op.ts';
import { operandAs, resultType, type Operand } from '../../promotion.ts';
import { binaryNode } from './operands.ts';

const { ops, defineOp } = opFamily('elementwise');

/** Logic of truth values and of bits. */
export const bits = ops;

const OPERATIONS = [
  ['and', 'And'],
  ['or', 'Or'],
  ['xor', 'Xor'],
] as const;

for (const [name, opType] of OPERATIONS) {
  defineOp(`aten::logical_${name}(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
    binary(context, opType, context.cast(self, 'bool'), context.cast(other, 'bool')),
  );
  const bitwise = (context: LowerContext, a: Operand, b: Operand): TensorValue => {
    const dtype = resultType([a, b]);
    return binaryNode(context, dtype === 'bool' ? opType : `Bitwise${opType}`, a, b, dtype);
  };
  for (const spelling of [`bitwise_${name}`, `__${name}__`] as const) {
    defineOp(`aten::${spelling}.Tensor(Tensor self, Tensor other) -> Tensor`, (context, { self, other }) =>
      bitwise(context, self, other),
    );
    defineOp(`aten::${spelling}.Scalar(Tensor self, Scalar other) -> Tensor`, (context, { self, other }) =>
      bitwise(context, self, other),
    );
  }
  defineOp(`aten::bitwise_${name}.Scalar_Tensor(Scalar self, Tensor other) -> Tensor`, (context, { self, other }) =>
    bitwise(context, self, other),
  );
  for (const key of ['Tensor(Tensor(a!) self, Tensor other)', 'Scalar(Tensor(a!) self, Scalar other)'] as const) {
    defineOp(`aten::__i${name}__.${key} -> Tensor(a!)`, (context, { self, other }) =>
      assign(context, self, bitwise(context, self, other)),
    );
  }
}

/** The tensor with new elements. */
function assign(context: LowerContext, self: TensorValue, updated: TensorValue): TensorValue {
  const { content } = context.expand(context.cast(updated, self.dtype), self.shape);
  context.heap.setTensor(self, { ...content, contiguous: self.content.contiguous });
  return self;
}

defineOp('aten::logical_not(Tensor self) -> Tensor', (context, { self }) =>
  context.node('Not', [context.cast(self, 'bool')]),
);
defineOp('aten::bitwise_not(Tensor self) -> Tensor', (context, { self }) =>
  context.node(self.dtype === 'bool' ? 'Not' : 'BitwiseNot', [self]),
);

// ONNX shifts unsigned numbers only: a shift is a product, or a division downwards.
for (const [name, symbol, left] of [
  ['left', 'lshift', true],
  ['right', 'rshift', false],
] as const) {
  const shifted = (context: LowerContext, a: Operand, by: Operand): TensorValue => {
    const dtype = resultType([a, by]);
    const number = operandAs(context, a, dtype);
    const factor =
      typeof by === 'bigint'
        ? context.scalar(2n ** by, dtype)
        : context.node('Pow', [context.scalar(2n, 'int64'), operandAs(context, by, 'int64')], {
            dtype: 'int64',
            shape: operandAs(context, by, 'int64').shape,
          });
    const divisor = context.cast(factor, dtype);
    if (left) return binary(context, 'Mul', number, divisor);
    return binary(context, 'Div', binary(context, 'Sub', number, binary(context, 'Mod', number, divisor)), divisor);
  };
  for (const key of [
    `bitwise_${name}_shift(Tensor self, Tensor other)`,
    `bitwise_${name}_shift.Tensor_Scalar(Tensor self, Scalar other)`,
    `bitwise_${name}_shift.Scalar_Tensor(Scalar self, Tensor other)`,
    `__${symbol}__.Tensor(Tensor self, Tensor other)`,
    `__${symbol}__.Scalar(Tensor self, Scalar other)`,
  ] as const) {
    defineOp(`aten::${key} -> Tensor`, (context, { self, other }) => shifted(context, self, other));
  }
}
