import type { LowerContext } from '../../symbolic/lower-context.ts';
import type { Dim } from '../../symbolic/sym-int.ts';
import type { TensorValue } from '../../symbolic/values.ts';
import { binary, choose } from '../arithmetic.ts';
import { opFamily } from '../define-op.ts';
import { drawKept, dropOut } from '../random.ts';

const { ops, defineOp } = opFamily('activation');

/** Dropout. Outside of training it does nothing. */
export const dropouts = ops;

const RANDOM = { limits: 'in training mode ONNX Runtime draws the elements: they differ from PyTorch’s' };

/** The value that SELU gives to very small numbers: -scale * alpha. Alpha dropout sets dropped elements to it. */
const SELU_FLOOR = -1.7580993408473766;

/** Dropout that keeps mean and variance of elements that SELU made. */
function alphaDropout(context: LowerContext, input: TensorValue, p: number, size: readonly Dim[]): TensorValue {
  if (p === 0) return input;
  const number = (value: number): TensorValue => context.scalar(value, input.dtype);
  if (p === 1) return binary(context, 'Mul', input, number(0));
  const scale = 1 / Math.sqrt((SELU_FLOOR * SELU_FLOOR * p + 1) * (1 - p));
  const shift = -scale * SELU_FLOOR * p;
  const mixed = choose(context, drawKept(context, size, p), input, number(SELU_FLOOR));
  return binary(context, 'Add', binary(context, 'Mul', mixed, number(scale)), number(shift));
}

/** One number for each channel of each row: [N, C, 1, …]. */
function channels(context: LowerContext, { shape }: TensorValue): readonly Dim[] {
  if (shape.length < 2) return context.unsupported('feature dropout of a vector', 'pass a tensor of rank 2 or more');
  return shape.map((size, axis) => (axis < 2 ? size : 1));
}

for (const [name, drop, perChannel] of [
  ['dropout', dropOut, false],
  ['feature_dropout', dropOut, true],
  ['alpha_dropout', alphaDropout, false],
  ['feature_alpha_dropout', alphaDropout, true],
] as const) {
  defineOp(
    `aten::${name}(Tensor input, float p, bool train) -> Tensor`,
    (context, { input, p, train }) =>
      train && p > 0 ? drop(context, input, p, perChannel ? channels(context, input) : input.shape) : input,
    RANDOM,
  );
}
defineOp(
  'aten::native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)',
  (context, { input, p, train }) => {
    if (train === false || p === 0) return [input, context.expand(context.scalar(true, 'bool'), input.shape)];
    const kept = drawKept(context, input.shape, p);
    const scale = context.scalar(p === 1 ? 0 : 1 / (1 - p), input.dtype);
    const scaled = binary(context, 'Mul', input, binary(context, 'Mul', context.cast(kept, input.dtype), scale));
    return [scaled, kept];
  },
  RANDOM,
);
