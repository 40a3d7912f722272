import { flag, ints } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { requireFloating, withBatch } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, maxDims, mulDims, subDims } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { pooledShape, windowAttributes, windowsOf, type Windows } from './windows.ts';

const { ops, defineOp } = opFamily('pooling');

/** Average pooling. */
export const averagePooling = ops;

/** The mean of each window of [N, C, …]. */
export function meanOfWindows(
  context: LowerContext,
  input: TensorValue,
  windows: Windows,
  countPadding = true,
): TensorValue {
  return context.node('AveragePool', [input], {
    shape: pooledShape(input.shape, windows),
    attributes: {
      ...windowAttributes(windows),
      ...(windows.dilation.some((step) => step > 1) ? { dilations: ints(windows.dilation) } : {}),
      count_include_pad: flag(countPadding),
    },
  });
}

/** The sum of each window divided by `divisor`, also for windows that are partly outside of the input. */
function sumOfWindows(context: LowerContext, input: TensorValue, windows: Windows, divisor: number): TensorValue {
  // Zeros around the input make every window full. Then the mean of a window is its sum divided by its volume.
  const { kernel, stride, padding } = windows;
  const shape = pooledShape(input.shape, windows);
  const after = kernel.map((size, i) => {
    const reached = addDims(mulDims(addDims(shape[i + 2] ?? 1, -1), stride[i] ?? 1), size);
    return maxDims(subDims(reached, addDims(input.shape[i + 2] ?? 1, padding[i] ?? 0)), 0);
  });
  const padded = context.node('Pad', [input, context.ints([0, 0, ...padding, 0, 0, ...after])], {
    shape: input.shape.map((size, i) =>
      i < 2 ? size : addDims(size, addDims(padding[i - 2] ?? 0, after[i - 2] ?? 0)),
    ),
  });
  const plain = { ...windows, padding: padding.map(() => 0), ceil: false };
  const means = context.node('AveragePool', [padded], { shape, attributes: windowAttributes(plain) });
  const volume = kernel.reduce((product, size) => product * size, 1);
  return context.node('Mul', [means, context.scalar(volume / divisor, means.dtype)]);
}

interface AverageOptions {
  readonly count_include_pad: boolean;
  readonly divisor_override?: number | null;
}

function averagePool(
  context: LowerContext,
  input: TensorValue,
  windows: Windows,
  options: AverageOptions,
): TensorValue {
  requireFloating(context, input);
  const { count_include_pad: countPadding, divisor_override: divisor = null } = options;
  return withBatch(context, input, windows.kernel.length, (batched) =>
    divisor === null
      ? meanOfWindows(context, batched, windows, countPadding)
      : sumOfWindows(context, batched, windows, divisor),
  );
}

defineOp(
  'aten::avg_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, bool ceil_mode=False, bool count_include_pad=True) -> Tensor',
  (context, { self, ...args }) => averagePool(context, self, windowsOf(1, args), args),
);
defineOp(
  'aten::avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor',
  (context, { self, ...args }) => averagePool(context, self, windowsOf(2, args), args),
);
defineOp(
  'aten::avg_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor',
  (context, { self, ...args }) => averagePool(context, self, windowsOf(3, args), args),
);
