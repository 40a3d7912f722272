import { int, ints } from '../attributes.ts';
import { opFamily } from '../define-op.ts';
import { requireElements } from '../empty-guard.ts';
import { perAxis, requireFloating, withBatch } from '../spatial.ts';
import type { LowerContext } from '../../symbolic/lower-context.ts';
import { addDims, floorDivDims, mulDims, productOf, subDims, type Dim } from '../../symbolic/sym-int.ts';
import type { TensorValue } from '../../symbolic/values.ts';

const { ops, defineOp } = opFamily('convolution');

/** Convolutions. Strides, paddings and dilations are attributes in ONNX, so they must be known at compile time. */
export const convolution = ops;

interface ConvolutionOptions {
  readonly stride: readonly number[];
  /** Numbers that apply to both sides of an axis, `same` (keeps the sizes) or `valid` (no padding). */
  readonly padding: readonly number[] | string;
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** `input` [N, C, …] or [C, …], `weight` [out, C / groups, …kernel], `bias` [out]. */
export function convolve(
  context: LowerContext,
  input: TensorValue,
  weight: TensorValue,
  bias: TensorValue | null,
  options: ConvolutionOptions,
): TensorValue {
  requireFloating(context, input);
  const [filters = 1, depth = 1, ...kernel] = weight.shape;
  const axes = kernel.length;
  const [stride, dilation] = [perAxis(options.stride, axes), perAxis(options.dilation, axes)];
  const { before, after } = paddings(context, options.padding, kernel, dilation);
  return withBatch(context, input, axes, (batched) => {
    const [batch = 1, channels = 1, ...sizes] = batched.shape;
    context.require(channels, mulDims(depth, options.groups));
    const outputs = sizes.map((size, i) => {
      const padded = addDims(size, (before[i] ?? 0) + (after[i] ?? 0));
      const room = subDims(padded, addDims(reach(kernel[i] ?? 1, dilation[i] ?? 1), 1));
      return addDims(floorDivDims(room, stride[i] ?? 1), 1);
    });
    // The kernel does not end if a weight is empty.
    const filter = requireElements(context, productOf(weight.shape), weight);
    return context.node('Conv', bias === null ? [batched, filter] : [batched, filter, bias], {
      shape: [batch, filters, ...outputs],
      attributes: {
        ...(kernel.every((size) => typeof size === 'number') ? { kernel_shape: ints(kernel as number[]) } : {}),
        strides: ints(stride),
        pads: ints([...before, ...after]),
        dilations: ints(dilation),
        group: int(options.groups),
      },
    });
  });
}

/** Distance from the first element of a kernel to its last. */
function reach(kernel: Dim, dilation: number): Dim {
  return mulDims(subDims(kernel, 1), dilation);
}

function paddings(
  context: LowerContext,
  padding: readonly number[] | string,
  kernel: readonly Dim[],
  dilation: readonly number[],
): { readonly before: readonly number[]; readonly after: readonly number[] } {
  if (typeof padding !== 'string') {
    const both = perAxis(padding, kernel.length);
    return { before: both, after: both };
  }
  if (padding === 'valid') return { before: kernel.map(() => 0), after: kernel.map(() => 0) };
  // ONNX Runtime's auto_pad ignores dilation, so the pads are computed here. An odd pad is larger at the end, as in PyTorch.
  const totals = kernel.map((size, i) => {
    const total = reach(size, dilation[i] ?? 1);
    return typeof total === 'number'
      ? total
      : context.unsupported('padding="same" with a kernel of unknown size', 'give the padding as numbers');
  });
  const before = totals.map((total) => Math.floor(total / 2));
  return { before, after: totals.map((total, i) => total - (before[i] ?? 0)) };
}

interface TransposedOptions {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly outputPadding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** `input` [N, C, …] or [C, …], `weight` [C, out / groups, …kernel], `bias` [out]. */
function convolveTransposed(
  context: LowerContext,
  input: TensorValue,
  weight: TensorValue,
  bias: TensorValue | null,
  options: TransposedOptions,
): TensorValue {
  requireFloating(context, input);
  const [depth = 1, filters = 1, ...kernel] = weight.shape;
  const axes = kernel.length;
  const stride = perAxis(options.stride, axes);
  const padding = perAxis(options.padding, axes);
  const outputPadding = perAxis(options.outputPadding, axes);
  const dilation = perAxis(options.dilation, axes);
  if (outputPadding.some((size, i) => size > 0 && size >= (stride[i] ?? 1))) {
    return context.unsupported(
      'output_padding that is not smaller than the stride',
      'ONNX Runtime cannot compute it: use a smaller output_padding',
    );
  }
  return withBatch(context, input, axes, (batched) => {
    const [batch = 1, channels = 1, ...sizes] = batched.shape;
    context.require(channels, depth);
    const outputs = sizes.map((size, i) => {
      const spread = mulDims(subDims(size, 1), stride[i] ?? 1);
      const whole = addDims(addDims(spread, reach(kernel[i] ?? 1, dilation[i] ?? 1)), 1);
      return addDims(whole, (outputPadding[i] ?? 0) - 2 * (padding[i] ?? 0));
    });
    return context.node('ConvTranspose', bias === null ? [batched, weight] : [batched, weight, bias], {
      shape: [batch, mulDims(filters, options.groups), ...outputs],
      attributes: {
        strides: ints(stride),
        pads: ints([...padding, ...padding]),
        output_padding: ints(outputPadding),
        dilations: ints(dilation),
        group: int(options.groups),
      },
    });
  });
}

// PyTorch's schemas have SymInt for strides, paddings and dilations. With int, a value known only at run time is refused.
defineOp(
  'aten::conv1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] padding=0, int[1] dilation=1, int groups=1) -> Tensor',
  (context, { input, weight, bias, ...options }) => convolve(context, input, weight, bias, options),
);
defineOp(
  'aten::conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, str padding="valid", int[1] dilation=1, int groups=1) -> Tensor',
  (context, { input, weight, bias, ...options }) => convolve(context, input, weight, bias, options),
);
defineOp(
  'aten::conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, int[2] dilation=1, int groups=1) -> Tensor',
  (context, { input, weight, bias, ...options }) => convolve(context, input, weight, bias, options),
);
defineOp(
  'aten::conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, str padding="valid", int[2] dilation=1, int groups=1) -> Tensor',
  (context, { input, weight, bias, ...options }) => convolve(context, input, weight, bias, options),
);
defineOp(
  'aten::conv3d(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0, int[3] dilation=1, int groups=1) -> Tensor',
  (context, { input, weight, bias, ...options }) => convolve(context, input, weight, bias, options),
);
defineOp(
  'aten::conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, str padding="valid", int[3] dilation=1, int groups=1) -> Tensor',
  (context, { input, weight, bias, ...options }) => convolve(context, input, weight, bias, options),
);
defineOp(
  'aten::_convolution_mode(Tensor input, Tensor weight, Tensor? bias, int[] stride, str padding, int[] dilation, int groups) -> Tensor',
  (context, { input, weight, bias, ...options }) => convolve(context, input, weight, bias, options),
);

const TRANSPOSED_LIMITS = { limits: 'output_padding that is not smaller than the stride is refused' };
defineOp(
  'aten::conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] padding=0, int[1] output_padding=0, int groups=1, int[1] dilation=1) -> Tensor',
  (context, { input, weight, bias, output_padding: outputPadding, ...options }) =>
    convolveTransposed(context, input, weight, bias, { ...options, outputPadding }),
  TRANSPOSED_LIMITS,
);
defineOp(
  'aten::conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, int[2] output_padding=0, int groups=1, int[2] dilation=1) -> Tensor',
  (context, { input, weight, bias, output_padding: outputPadding, ...options }) =>
    convolveTransposed(context, input, weight, bias, { ...options, outputPadding }),
  TRANSPOSED_LIMITS,
);
defineOp(
  'aten::conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0, int[3] output_padding=0, int groups=1, int[3] dilation=1) -> Tensor',
  (context, { input, weight, bias, output_padding: outputPadding, ...options }) =>
    convolveTransposed(context, input, weight, bias, { ...options, outputPadding }),
  TRANSPOSED_LIMITS,
);

interface GeneralArguments {
  readonly input: TensorValue;
  readonly weight: TensorValue;
  readonly bias: TensorValue | null;
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly transposed: boolean;
  readonly output_padding: readonly number[];
  readonly groups: number;
}

/** The general operator, which tracing records for every convolution, transposed or not. */
function generalConvolution(context: LowerContext, args: GeneralArguments): TensorValue {
  const { input, weight, bias, transposed, output_padding: outputPadding } = args;
  return transposed
    ? convolveTransposed(context, input, weight, bias, { ...args, outputPadding })
    : convolve(context, input, weight, bias, args);
}

defineOp(
  'aten::_convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups, bool benchmark, bool deterministic, bool cudnn_enabled, bool allow_tf32) -> Tensor',
  generalConvolution,
);
defineOp(
  'aten::_convolution.deprecated(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups, bool benchmark, bool deterministic, bool cudnn_enabled) -> Tensor',
  generalConvolution,
);
defineOp(
  'aten::convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups) -> Tensor',
  generalConvolution,
);

defineOp(
  'aten::conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor',
  (context, { self, weight, bias, pad }) => {
    const options = { stride: [1], padding: [pad], dilation: [1], groups: 1 };
    const convolved = convolve(
      context,
      context.transpose(self, [1, 2, 0]),
      context.transpose(weight, [2, 1, 0]),
      bias,
      options,
    );
    return context.transpose(convolved, [2, 0, 1]);
  },
);
