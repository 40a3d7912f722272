import type { LowerContext } from '../../symbolic/lower-context.ts';
import { isFloating } from '../../symbolic/onnx-types.ts';
import { floorDivDims, productOf } from '../../symbolic/sym-int.ts';
import { TensorValue, type Scalar } from '../../symbolic/values.ts';
import { binary, choose, compare } from '../arithmetic.ts';
import { float, str } from '../attributes.ts';
import { opFamily } from '../define-op.ts';
import { draw } from '../random.ts';
import { dropouts } from './dropout.ts';
import { sigmoid } from './elementwise/exponential.ts';
import { softmaxes } from './softmax.ts';

const { ops, defineOp } = opFamily('activation');

const number = (context: LowerContext, value: Scalar, like: TensorValue): TensorValue =>
  context.scalar(value, like.dtype);

/** Notes that no element is negative. Pooling needs fewer nodes then. */
function nonNegative(result: TensorValue): TensorValue {
  const { data } = result.content;
  if (data.kind !== 'graph') return result;
  return new TensorValue({ ...result.content, data: { ...data, isNonNegative: true } });
}

defineOp('aten::relu(Tensor self) -> Tensor', (context, { self }) =>
  isFloating(self.dtype)
    ? nonNegative(context.node('Relu', [self]))
    : binary(context, 'Max', self, number(context, 0n, self)),
);

/** A parameter of the function as a number. Refuses a parameter that is known only at run time. */
function parameter(context: LowerContext, value: Scalar): number {
  return typeof value === 'object'
    ? context.unsupported('a parameter known only at run time', 'make it a constant of the model')
    : Number(value);
}

/** Limits the elements to [min, max]. Works for integers too. */
function clip(context: LowerContext, self: TensorValue, min: Scalar, max: Scalar): TensorValue {
  return context.node('Clip', [self, number(context, min, self), number(context, max, self)]);
}

defineOp('aten::relu6(Tensor self) -> Tensor', (context, { self }) => clip(context, self, 0n, 6n));
defineOp('aten::hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor', (context, { self, ...limits }) =>
  clip(context, self, limits.min_val, limits.max_val),
);

/** `slope * x` for x below zero, `x` otherwise. */
function leakyRelu(context: LowerContext, self: TensorValue, slope: number): TensorValue {
  return context.node('LeakyRelu', [self], { attributes: { alpha: float(slope) } });
}

defineOp('aten::leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor', (context, args) =>
  leakyRelu(context, args.self, parameter(context, args.negative_slope)),
);

const RRELU_LIMITS = { limits: 'in training mode ONNX Runtime draws the slopes: they differ from PyTorch’s' };

interface RandomSlope {
  readonly lower: Scalar;
  readonly upper: Scalar;
  readonly training: boolean;
}

/** RReLU. Training mode draws the slope of each element, evaluation mode takes the mean. */
function randomRelu(context: LowerContext, self: TensorValue, slope: RandomSlope): TensorValue {
  const [lower, upper] = [parameter(context, slope.lower), parameter(context, slope.upper)];
  if (!slope.training || lower === upper) return leakyRelu(context, self, (lower + upper) / 2);
  const spread = binary(
    context,
    'Mul',
    draw(context, 'Uniform', self.shape, self.dtype),
    number(context, upper - lower, self),
  );
  const lowered = binary(context, 'Mul', self, binary(context, 'Add', spread, number(context, lower, self)));
  return choose(context, compare(context, 'LessOrEqual', self, number(context, 0, self)), lowered, self);
}

defineOp(
  'aten::rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? generator=None) -> Tensor',
  (context, { self, ...slope }) => randomRelu(context, self, slope),
  RRELU_LIMITS,
);
defineOp(
  'aten::rrelu_with_noise(Tensor self, Tensor(b!) noise, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? generator=None) -> Tensor',
  (context, { self, ...slope }) => randomRelu(context, self, slope),
  RRELU_LIMITS,
);

defineOp('aten::prelu(Tensor self, Tensor weight) -> Tensor', (context, { self, weight }) => {
  const channels = productOf(weight.content.shape);
  // There is one weight for all elements, or one for each channel (axis 1).
  const shape = channels === 1 || self.rank < 2 ? [] : [channels, ...self.content.shape.slice(2).map(() => 1)];
  return context.node('PRelu', [self, context.reshape(weight, shape)]);
});
defineOp('aten::_prelu_kernel(Tensor self, Tensor weight) -> Tensor', (context, { self, weight }) =>
  context.node('PRelu', [self, weight]),
);

/** `scale * x` for x above zero, `scale * alpha * (exp(inputScale * x) - 1)` below. */
interface Exponential {
  readonly alpha: number;
  readonly scale: number;
  readonly inputScale: number;
}

/** ELU, with the factors that SELU and CELU use. */
function exponential(context: LowerContext, self: TensorValue, { alpha, scale, inputScale }: Exponential): TensorValue {
  if (scale === 1 && inputScale === 1) return context.node('Elu', [self], { attributes: { alpha: float(alpha) } });
  const times = (tensor: TensorValue, factor: number): TensorValue =>
    factor === 1 ? tensor : binary(context, 'Mul', tensor, number(context, factor, self));
  const curve = binary(context, 'Sub', context.node('Exp', [times(self, inputScale)]), number(context, 1, self));
  const positive = compare(context, 'Greater', self, number(context, 0, self));
  return choose(context, positive, times(self, scale), times(curve, alpha * scale));
}

defineOp(
  'aten::elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor',
  (context, { self, alpha, scale, input_scale: inputScale }) =>
    exponential(context, self, {
      alpha: parameter(context, alpha),
      scale: parameter(context, scale),
      inputScale: parameter(context, inputScale),
    }),
);
defineOp('aten::celu(Tensor self, Scalar alpha=1.0) -> Tensor', (context, { self, alpha }) =>
  context.node('Celu', [self], { attributes: { alpha: float(parameter(context, alpha)) } }),
);
defineOp('aten::selu(Tensor self) -> Tensor', (context, { self }) => context.node('Selu', [self]));

defineOp(
  'aten::gelu(Tensor self, *, str approximate="none") -> Tensor',
  (context, { self, approximate }) => context.node('Gelu', [self], { attributes: { approximate: str(approximate) } }),
  {
    limits:
      'infinities and numbers above 1.7e38: PyTorch’s vector code gives NaN and Infinity, ONNX Runtime the limit of the function',
  },
);
defineOp('aten::silu(Tensor self) -> Tensor', (context, { self }) =>
  binary(context, 'Mul', self, sigmoid(context, self)),
);
defineOp('aten::mish(Tensor self) -> Tensor', (context, { self }) => context.node('Mish', [self]));
defineOp('aten::tanh(Tensor self) -> Tensor', (context, { self }) =>
  context.node('Tanh', [isFloating(self.dtype) ? self : context.cast(self, 'float32')]),
);
defineOp('aten::hardsigmoid(Tensor self) -> Tensor', (context, { self }) =>
  context.node('HardSigmoid', [self], { attributes: { alpha: float(1 / 6), beta: float(0.5) } }),
);
defineOp('aten::hardswish(Tensor self) -> Tensor', (context, { self }) => context.node('HardSwish', [self]), {
  limits: 'numbers above 5.6e37 stay finite; PyTorch’s product overflows',
});

/** Above this value Softplus equals `x` in the precision of float32. */
const SOFTPLUS_LINEAR = 20;

defineOp(
  'aten::softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor',
  (context, { self, beta, threshold }) => {
    const factor = number(context, beta, self);
    const simple = parameter(context, beta) === 1;
    const inner = simple ? self : binary(context, 'Mul', self, factor);
    const soft = context.node('Softplus', [inner]);
    const result = simple ? soft : binary(context, 'Div', soft, factor);
    if (parameter(context, threshold) >= SOFTPLUS_LINEAR) return result;
    return choose(context, compare(context, 'Greater', inner, number(context, threshold, self)), self, result);
  },
);
defineOp('aten::log_sigmoid(Tensor self) -> Tensor', (context, { self }) =>
  context.node('Neg', [context.node('Softplus', [context.node('Neg', [self])])]),
);

defineOp('aten::softshrink(Tensor self, Scalar lambd=0.5) -> Tensor', (context, { self, lambd }) =>
  binary(context, 'Sub', self, clip(context, self, -parameter(context, lambd), parameter(context, lambd))),
);
defineOp('aten::hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor', (context, { self, lambd }) => {
  const near = compare(context, 'LessOrEqual', context.node('Abs', [self]), number(context, lambd, self));
  return choose(context, near, number(context, 0, self), self);
});

defineOp('aten::glu(Tensor self, int dim=-1) -> Tensor', (context, { self, dim }) => {
  const axis = context.axis(dim, self.rank);
  const size = self.content.shape[axis] ?? 0;
  const half = floorDivDims(size, 2);
  const values = context.slice(self, axis, 0, half, 1, half);
  const gates = context.slice(self, axis, half, size, 1, half);
  return context.node('Mul', [values, sigmoid(context, gates)]);
});

/** Activation functions. softsign, tanhshrink and softmin are made of others, so archives do not contain them. */
export const activation = [...ops, ...softmaxes, ...dropouts];
