import { float, str } from '../attributes.ts';
import { opFamily } from '../define-op.ts';
import { asFloat } from '../promotion.ts';

const { ops, defineOp } = opFamily('activation');

/** Activation functions: elementwise, of floating tensors. */
export const activation = ops;

defineOp('aten::relu(Tensor self) -> Tensor', (context, { self }) => context.node('Relu', [self]));

defineOp('aten::leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor', (context, { self, negative_slope }) =>
  context.node('LeakyRelu', [self], { attributes: { alpha: float(Number(negative_slope)) } }),
);

defineOp('aten::sigmoid(Tensor self) -> Tensor', (context, { self }) => context.node('Sigmoid', [asFloat(context, self)]));

defineOp('aten::gelu(Tensor self, *, str approximate="none") -> Tensor', (context, { self, approximate }) =>
  context.node('Gelu', [self], { attributes: { approximate: str(approximate) } }),
);
