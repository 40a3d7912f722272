import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue, Value } from '../../../symbolic/values.ts';
import { binary, choose, compare } from '../../arithmetic.ts';
import { int } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { numbersOf, snap } from '../../quantized.ts';
import { linearLayer } from '../linear.ts';
import { unpack } from './packed.ts';

const { ops, defineOp } = opFamily('quantized');

/** Layers that quantize their input by the smallest and the largest element of each call. */
export const dynamicLayers = ops;

/** PyTorch uses no smaller scale. */
const LEAST_SCALE = 6.1e-5;

/**
 * A float32 tensor rounded as PyTorch's dynamic layers round their input: to the 256 numbers (128 with `reduceRange`) between its
 * smallest and largest element and 0.
 */
function roundDynamically(context: LowerContext, input: TensorValue, reduceRange: boolean): TensorValue {
  const number = (value: number): TensorValue => context.scalar(value, 'float32');
  const most = reduceRange ? 127 : 255;
  // With a 0 at its end, the range includes 0, and an empty input has a range.
  const flat = context.node('Concat', [context.reshape(input, [-1]), context.constant([0], 'float32', [1])], {
    shape: [null],
    attributes: { axis: int(0) },
  });
  const extreme = (opType: string): TensorValue =>
    context.node(opType, [flat], { shape: [], attributes: { keepdims: int(0) } });
  const [low, high] = [extreme('ReduceMin'), extreme('ReduceMax')];
  const given = binary(context, 'Div', binary(context, 'Sub', high, low), number(most));
  const isZero = compare(context, 'Equal', given, number(0));
  const step = choose(context, isZero, number(0.1), given);
  const raw = context.node('Round', [binary(context, 'Div', context.node('Neg', [low]), step)]);
  const zeroPoint = context.node('Clip', [raw, number(0), number(most)]);
  const scale = binary(context, 'Max', step, number(LEAST_SCALE));
  return snap(context, input, { scale, zeroPoint }, [0, most]);
}

function linearDynamic(context: LowerContext, input: TensorValue, packed: Value, reduceRange: boolean): TensorValue {
  const { weight, bias } = unpack(context, packed);
  const rounded = roundDynamically(context, context.cast(input, 'float32'), reduceRange);
  return linearLayer(context, rounded, numbersOf(context, weight), bias);
}

/** The weights are float16 numbers, and everything else is float32. */
function linearHalf(context: LowerContext, input: TensorValue, packed: Value): TensorValue {
  const { weight, bias } = unpack(context, packed);
  const rounded = context.cast(context.cast(weight, 'float16'), 'float32');
  return linearLayer(context, context.cast(input, 'float32'), rounded, bias);
}

const relu = (context: LowerContext, tensor: TensorValue): TensorValue => context.node('Relu', [tensor]);

defineOp(
  'quantized::linear_dynamic(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack, bool reduce_range=False) -> Tensor Y',
  (context, { X, W_prepack, reduce_range }) => linearDynamic(context, X, W_prepack, reduce_range),
);
defineOp(
  'quantized::linear_relu_dynamic(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack, bool reduce_range=False) -> Tensor Y',
  (context, { X, W_prepack, reduce_range }) => relu(context, linearDynamic(context, X, W_prepack, reduce_range)),
);
defineOp(
  'quantized::linear_dynamic_fp16(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack) -> Tensor Y',
  (context, { X, W_prepack }) => linearHalf(context, X, W_prepack),
);
defineOp(
  'quantized::linear_relu_dynamic_fp16(Tensor X, __torch__.torch.classes.quantized.LinearPackedParamsBase W_prepack) -> Tensor Y',
  (context, { X, W_prepack }) => relu(context, linearHalf(context, X, W_prepack)),
);
