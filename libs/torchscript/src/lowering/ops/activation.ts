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
defineOp('aten::tanh(Tensor self) -> Tensor', (context, { self }) => context.node('Tanh', [asFloat(context, self)]));
defineOp('aten::softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor', (context, { self, dim, dtype }) => context.node('Softmax', [context.cast(self, dtype ?? self.dtype)], { attributes: { axis: { int: context.axis(dim, self.rank) } } }));
defineOp('aten::log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor', (context, { self, dim, dtype }) => context.node('LogSoftmax', [context.cast(self, dtype ?? self.dtype)], { attributes: { axis: { int: context.axis(dim, self.rank) } } }));
defineOp('aten::dropout(Tensor input, float p, bool train) -> Tensor', (context, { input, p, train }) => (p > 0 && train ? context.unsupported('dropout in training mode') : input));
defineOp('aten::hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor', (context, { self, min_val, max_val }) => context.node('Clip', [self, context.scalar(min_val, self.dtype), context.scalar(max_val, self.dtype)]));
defineOp('aten::relu6(Tensor self) -> Tensor', (context, { self }) => context.node('Clip', [self, context.scalar(0, self.dtype), context.scalar(6, self.dtype)]));
defineOp('aten::hardsigmoid(Tensor self) -> Tensor', (context, { self }) => context.node('HardSigmoid', [self], { attributes: { alpha: float(1 / 6), beta: float(0.5) } }));
defineOp('aten::hardswish(Tensor self) -> Tensor', (context, { self }) => context.node('HardSwish', [self]));
defineOp('aten::silu(Tensor self) -> Tensor', (context, { self }) => context.node('Mul', [self, context.node('Sigmoid', [self])]));
defineOp('aten::elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor', (context, { self, alpha }) => context.node('Elu', [self], { attributes: { alpha: float(Number(alpha)) } }));
defineOp('aten::prelu(Tensor self, Tensor weight) -> Tensor', (context, { self, weight }) => context.node('PRelu', [self, context.reshape(weight, [weight.shape[0] ?? 1, ...self.shape.slice(2).map(() => 1)])]));
