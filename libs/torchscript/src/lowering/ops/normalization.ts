import { flag, float, int } from '../attributes.ts';
import { opFamily } from '../define-op.ts';
import { requireElements } from '../empty-guard.ts';
import { rangeOf } from '../dims.ts';
import { isFloating } from '../../symbolic/onnx-types.ts';
import type { LowerContext } from '../../symbolic/lower-context.ts';
import { floorDivDims, mulDims, productOf, subDims, type Dim } from '../../symbolic/sym-int.ts';
import type { TensorValue } from '../../symbolic/values.ts';
import type { ScalarType } from '../../scalar-type.ts';

const { ops, defineOp } = opFamily('normalization');

/** Normalization layers. */
export const normalization = ops;

/** A missing scale or bias with at most this many elements becomes a constant of the model. */
const MAX_CONSTANT = 65_536;

/** The mean over `axes`, which are kept with size 1. */
function meanOver(context: LowerContext, tensor: TensorValue, axes: readonly number[]): TensorValue {
  return context.node('ReduceMean', [tensor, context.ints(axes)], {
    shape: tensor.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
    attributes: { keepdims: flag(true) },
  });
}

/** A tensor shifted and scaled to mean 0 and (uncorrected) variance 1 over some axes, with its statistics. */
interface Standardized {
  readonly result: TensorValue;
  readonly mean: TensorValue;
  readonly variance: TensorValue;
  /** `1 / sqrt(variance + eps)` */
  readonly inverse: TensorValue;
}

function standardize(context: LowerContext, input: TensorValue, axes: readonly number[], eps: number): Standardized {
  const mean = meanOver(context, input, axes);
  const centred = context.node('Sub', [input, mean]);
  const variance = meanOver(context, context.node('Mul', [centred, centred]), axes);
  const inverse = inverseRoot(context, variance, eps);
  return { result: context.node('Mul', [centred, inverse]), mean, variance, inverse };
}

function inverseRoot(context: LowerContext, variance: TensorValue, eps: number): TensorValue {
  const shifted = context.node('Add', [variance, context.scalar(eps, variance.dtype)]);
  return context.node('Reciprocal', [context.node('Sqrt', [shifted])]);
}

/** `input * weight + bias`. Weight and bias may be null, and their shapes broadcast to the shape of the input. */
function affine(
  context: LowerContext,
  input: TensorValue,
  weight: TensorValue | null,
  bias: TensorValue | null,
): TensorValue {
  const scaled = weight === null ? input : context.node('Mul', [input, context.cast(weight, input.dtype)]);
  return bias === null ? scaled : context.node('Add', [scaled, context.cast(bias, input.dtype)]);
}

/** One number for each channel, in a shape that broadcasts to [N, C, …]. */
function perChannel(context: LowerContext, values: TensorValue | null, rank: number): TensorValue | null {
  return values === null ? null : context.reshape(values, [values.shape[0] ?? 1, ...rangeOf(rank - 2).map(() => 1)]);
}

/**
 * A scale or bias. If it is missing, a constant filled with `filler`, or undefined if its size is not known or above
 * {@link MAX_CONSTANT}.
 */
function filled(
  context: LowerContext,
  given: TensorValue | null,
  shape: readonly Dim[],
  filler: number,
  dtype: ScalarType,
): TensorValue | undefined {
  if (given !== null) return context.cast(given, dtype);
  const count = productOf(shape);
  if (typeof count !== 'number' || count > MAX_CONSTANT) return undefined;
  return context.constant(new Array<number>(count).fill(filler), dtype, shape as number[]);
}

/** An empty tensor, which PyTorch returns for statistics that it did not save. */
const emptyTensor = (context: LowerContext, dtype: ScalarType): TensorValue => context.constant([], dtype, [0]);

// ---- batch norm ------------------------------------------------------------------------------------------------------

interface BatchNormArguments {
  readonly input: TensorValue;
  readonly weight: TensorValue | null;
  readonly bias: TensorValue | null;
  readonly running_mean: TensorValue | null;
  readonly running_var: TensorValue | null;
  /** Weight of the batch's statistics in the new running statistics. */
  readonly momentum: number;
  readonly eps: number;
}

/** Batch norm with given statistics. */
function normalizeBy(
  context: LowerContext,
  args: BatchNormArguments,
  mean: TensorValue,
  variance: TensorValue,
): TensorValue {
  const { input, eps } = args;
  const channels = mean.shape;
  context.require(input.shape[1] ?? 1, channels[0] ?? 1);
  const scale = filled(context, args.weight, channels, 1, input.dtype);
  const bias = filled(context, args.bias, channels, 0, input.dtype);
  if (scale === undefined || bias === undefined)
    return context.unsupported('batch norm with an unknown number of channels', 'fix the channel axis of the input');
  const statistics = [mean, variance].map((values) => context.cast(values, input.dtype));
  return context.node('BatchNormalization', [input, scale, bias, ...statistics], {
    attributes: { epsilon: float(eps) },
  });
}

/** Batch norm with the statistics of the batch, over axis 0 and the axes from 2 on. */
function normalizeByBatch(context: LowerContext, args: BatchNormArguments): Standardized {
  const { input } = args;
  const axes = rangeOf(input.rank).filter((axis) => axis !== 1);
  const standardised = standardize(context, input, axes, args.eps);
  const [weight, bias] = [args.weight, args.bias].map((values) => perChannel(context, values, input.rank));
  return { ...standardised, result: affine(context, standardised.result, weight ?? null, bias ?? null) };
}

/** The result, and mean and inverse standard deviation if the statistics of the batch were used. */
function batchNorm(
  context: LowerContext,
  args: BatchNormArguments,
  training: boolean,
): readonly [TensorValue, TensorValue, TensorValue] {
  const { input, running_mean: mean, running_var: variance } = args;
  if (!isFloating(input.dtype))
    return context.unsupported(`batch norm of ${input.dtype} tensors`, 'convert the input to a float dtype');
  if (!training && mean !== null && variance !== null) {
    return [
      normalizeBy(context, args, mean, variance),
      emptyTensor(context, input.dtype),
      emptyTensor(context, input.dtype),
    ];
  }
  context.warn(
    'batch norm uses the statistics of the current batch (it has no running statistics, or the model was traced in training mode): ' +
      'the result of a row depends on the other rows, so do not let the server batch requests together',
  );
  const { result, mean: ownMean, variance: ownVariance, inverse } = normalizeByBatch(context, args);
  const channels = [input.shape[1] ?? 1];
  const perChannelMean = context.reshape(ownMean, channels);
  if (training && mean !== null) updateRunning(context, mean, perChannelMean, args.momentum);
  if (training && variance !== null) {
    const own = context.reshape(ownVariance, channels);
    updateRunning(context, variance, corrected(context, own, productOf(input.shape.toSpliced(1, 1))), args.momentum);
  }
  return [result, perChannelMean, context.reshape(inverse, channels)];
}

/** Bessel's correction of a variance of `count` elements, which running variances have: `1 / (count - 1)`. */
function corrected(context: LowerContext, variance: TensorValue, count: Dim): TensorValue {
  const [all, free] = [count, subDims(count, 1)].map((size) => context.cast(context.ints([size]), variance.dtype));
  const factor = context.node('Div', [all ?? variance, free ?? variance]);
  return context.node('Mul', [variance, factor]);
}

/** Updates a running statistic in place with the statistic of the batch. */
function updateRunning(context: LowerContext, running: TensorValue, own: TensorValue, momentum: number): void {
  const { dtype } = running;
  const kept = context.node('Mul', [running, context.scalar(1 - momentum, dtype)]);
  const added = context.node('Mul', [context.cast(own, dtype), context.scalar(momentum, dtype)]);
  context.heap.setTensor(running, context.node('Add', [kept, added]).content);
}

defineOp(
  'aten::batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor',
  (context, args) => batchNorm(context, args, args.training)[0],
);
defineOp(
  'aten::native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)',
  (context, args) => batchNorm(context, args, args.training),
);
defineOp(
  'aten::_native_batch_norm_legit_no_training(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor)',
  (context, args) => batchNorm(context, args, false),
);
defineOp(
  'aten::_batch_norm_impl_index(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> (Tensor, Tensor, Tensor, Tensor, int)',
  (context, args) => [...batchNorm(context, args, args.training), emptyTensor(context, 'uint8'), 0n],
);

defineOp(
  'aten::instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor',
  (context, args) => {
    const {
      input,
      weight,
      bias,
      use_input_stats: ownStatistics,
      eps,
      running_mean: mean,
      running_var: variance,
    } = args;
    if (!ownStatistics && mean !== null && variance !== null) return normalizeBy(context, args, mean, variance);
    const channels = [weight?.shape[0] ?? bias?.shape[0] ?? input.shape[1] ?? 1];
    const scale = filled(context, weight, channels, 1, input.dtype);
    const shift = filled(context, bias, channels, 0, input.dtype);
    if (input.dtype !== 'float64' && input.rank > 2 && scale !== undefined && shift !== undefined) {
      // The kernel ends the process if a channel is empty.
      const checked = requireElements(context, productOf(input.shape.slice(2)), scale);
      return context.node('InstanceNormalization', [input, checked, shift], { attributes: { epsilon: float(eps) } });
    }
    const { result } = standardize(context, input, rangeOf(input.rank).slice(2), eps);
    return affine(context, result, perChannel(context, weight, input.rank), perChannel(context, bias, input.rank));
  },
  { limits: 'running statistics are not updated' },
);

// ---- layer norm, RMS norm --------------------------------------------------------------------------------------------

interface LayerNormArguments {
  readonly input: TensorValue;
  readonly normalized_shape: readonly Dim[];
  readonly weight: TensorValue | null;
  readonly bias: TensorValue | null;
  readonly eps: number;
}

/** The last axes of the input, which must have the sizes of the normalized shape. */
function normalizedAxes(context: LowerContext, input: TensorValue, shape: readonly Dim[]): readonly number[] {
  const first = input.rank - shape.length;
  if (first < 0)
    return context.unsupported(
      `normalizing ${shape.length} axes of a tensor of rank ${input.rank}`,
      'check the rank of the input',
    );
  shape.forEach((size, i) => context.require(input.shape[first + i] ?? 1, size));
  return rangeOf(input.rank).slice(first);
}

function layerNorm(context: LowerContext, args: LayerNormArguments): TensorValue {
  const { input, normalized_shape: shape, weight, bias, eps } = args;
  const axes = normalizedAxes(context, input, shape);
  const scale = filled(context, weight, shape, 1, input.dtype);
  if (scale === undefined) return affine(context, standardize(context, input, axes, eps).result, weight, bias);
  const inputs = bias === null ? [input, scale] : [input, scale, context.cast(bias, input.dtype)];
  return context.node('LayerNormalization', inputs, { attributes: { axis: int(-shape.length), epsilon: float(eps) } });
}

defineOp(
  'aten::layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1.0000000000000001e-05, bool cudnn_enable=True) -> Tensor',
  layerNorm,
);
defineOp(
  'aten::native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)',
  (context, args) => {
    const axes = normalizedAxes(context, args.input, args.normalized_shape);
    const { mean, inverse } = standardize(context, args.input, axes, args.eps);
    return [layerNorm(context, args), mean, inverse];
  },
);

/** The default of a missing eps: the distance from 1 to the next number of the dtype. */
const EPSILON: Readonly<Partial<Record<ScalarType, number>>> = {
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
  float32: 2 ** -23,
  float64: Number.EPSILON,
};

defineOp(
  'aten::rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor',
  (context, { input, normalized_shape: shape, weight, eps }) => {
    const axes = normalizedAxes(context, input, shape);
    // PyTorch computes the squares of 16-bit floats in float32, because they overflow easily.
    const wide = context.cast(input, input.dtype === 'float64' ? 'float64' : 'float32');
    const squares = meanOver(context, context.node('Mul', [wide, wide]), axes);
    const inverse = inverseRoot(context, squares, eps ?? EPSILON[input.dtype] ?? 0);
    return affine(context, context.cast(context.node('Mul', [wide, inverse]), input.dtype), weight, null);
  },
);

// ---- group norm ------------------------------------------------------------------------------------------------------

interface GroupNormArguments {
  readonly input: TensorValue;
  readonly weight: TensorValue | null;
  readonly bias: TensorValue | null;
  readonly eps: number;
}

/** Standardizes within each group of channels. The result has the shape [N, groups, elements of a group]. */
function standardizeGroups(context: LowerContext, input: TensorValue, groups: number, eps: number): Standardized {
  const [batch = 1, channels = 1, ...rest] = input.shape;
  const inGroup = mulDims(floorDivDims(channels, groups), productOf(rest));
  return standardize(context, context.reshape(input, [batch, groups, inGroup]), [2], eps);
}

function groupNorm(context: LowerContext, args: GroupNormArguments, groups: number): TensorValue {
  const { input, weight, bias, eps } = args;
  const channels = [weight?.shape[0] ?? bias?.shape[0] ?? input.shape[1] ?? 1];
  context.require(input.shape[1] ?? 1, channels[0] ?? 1);
  const scale = filled(context, weight, channels, 1, input.dtype);
  const shift = filled(context, bias, channels, 0, input.dtype);
  if (input.dtype !== 'float64' && input.rank > 2 && scale !== undefined && shift !== undefined) {
    return context.node('GroupNormalization', [input, scale, shift], {
      attributes: { num_groups: int(groups), epsilon: float(eps) },
    });
  }
  const { result } = standardizeGroups(context, input, groups, eps);
  const whole = context.reshape(result, input.shape);
  return affine(context, whole, perChannel(context, weight, input.rank), perChannel(context, bias, input.rank));
}

defineOp(
  'aten::group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1.0000000000000001e-05, bool cudnn_enabled=True) -> Tensor',
  (context, args) => groupNorm(context, args, args.num_groups),
);
defineOp(
  'aten::native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, int group, float eps) -> (Tensor, Tensor, Tensor)',
  (context, args) => {
    const { mean, inverse } = standardizeGroups(context, args.input, args.group, args.eps);
    const statistics = [mean, inverse].map((values) => context.reshape(values, [args.input.shape[0] ?? 1, args.group]));
    return [groupNorm(context, args, args.group), ...statistics];
  },
);

// ---- weight norm -----------------------------------------------------------------------------------------------------

/** The Euclidean norm over all axes except `dim`, which are kept with size 1. For -1 the norm of all elements, as a scalar. */
function normExcept(context: LowerContext, tensor: TensorValue, dim: number): TensorValue {
  const axes = rangeOf(tensor.rank).filter((axis) => axis !== dim);
  if (axes.length === 0) return context.node('Abs', [tensor]);
  return context.node('ReduceL2', [tensor, context.ints(axes)], {
    shape: dim === -1 ? [] : tensor.shape.map((size, axis) => (axis === dim ? size : 1)),
    attributes: { keepdims: flag(dim !== -1) },
  });
}

const weightNorm = (context: LowerContext, v: TensorValue, g: TensorValue, dim: number): TensorValue => {
  const factor = context.node('Div', [g, normExcept(context, v, dim)]);
  return context.node('Mul', [v, factor]);
};
defineOp('aten::_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor', (context, { v, g, dim }) =>
  weightNorm(context, v, g, dim),
);
defineOp(
  'aten::_weight_norm_interface(Tensor v, Tensor g, int dim=0) -> (Tensor, Tensor)',
  (context, { v, g, dim }) => [weightNorm(context, v, g, dim), normExcept(context, v, dim)],
);
defineOp('aten::norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor', (context, { v, pow, dim }) =>
  pow === 2 ? normExcept(context, v, dim) : context.unsupported(`norm_except_dim with pow=${pow}`, 'use pow=2'),
);
