import { binary, choose } from '../../arithmetic.ts';
import { flag } from '../../attributes.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { perAxis, requireFloating, withBatch } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { exactQuotient, sameDim, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { sumOver } from '../reduction/reduce.ts';
import { adaptiveWindows } from './adaptive-windows.ts';
import { meanOfWindows } from './average-pooling.ts';

const { ops, defineOp } = opFamily('pooling');

/** Average pooling to a given output size. */
export const adaptiveAverage = ops;

/** The size of the windows if they divide the axis evenly. Undefined if they do not, or if it is not known. */
export function evenWindows(size: Dim, count: Dim): number | undefined {
  const quotient = exactQuotient(size, count);
  return typeof quotient === 'number' && quotient > 0 ? quotient : undefined;
}

/**
 * Averages along one axis. This works for windows of any size, also if it is known only at run time. A matrix product with zeros
 * would spread NaN and infinities to all windows.
 */
function averageAxis(context: LowerContext, input: TensorValue, axis: number, count: Dim): TensorValue {
  const { shape } = input.content;
  const windows = adaptiveWindows(context, shape[axis] ?? 1, count);
  const behind = shape.slice(axis + 1).map(() => 1);
  const wide = (tensor: TensorValue, ...own: readonly Dim[]): TensorValue =>
    context.reshape(tensor, [...own, ...behind]);
  const inside = wide(windows.inside, ...windows.inside.shape);
  const elements = choose(context, inside, windows.elements(input, axis), context.scalar(0, input.dtype));
  const sums = sumOver(context, elements, [axis + 1]);
  return binary(context, 'Div', sums, wide(context.cast(windows.widths, input.dtype), count));
}

function adaptiveAveragePool(
  context: LowerContext,
  self: TensorValue,
  output: readonly Dim[],
  axes: number,
): TensorValue {
  requireFloating(context, self);
  const counts = perAxis(output, axes);
  return withBatch(context, self, axes, (batched) => {
    const whole = counts.flatMap((count, i) => (count === 1 ? [i + 2] : []));
    let pooled = batched;
    if (whole.length > 0) {
      pooled = context.node('ReduceMean', [pooled, context.ints(whole)], {
        shape: pooled.shape.map((size, axis) => (whole.includes(axis) ? 1 : size)),
        attributes: { keepdims: flag(true) },
      });
    }
    const kernel = counts.map((count, i) => evenWindows(pooled.shape[i + 2] ?? 1, count) ?? 1);
    if (kernel.some((size) => size > 1)) {
      const none = { padding: kernel.map(() => 0), dilation: kernel.map(() => 1), ceil: false };
      pooled = meanOfWindows(context, pooled, { kernel, stride: kernel, ...none });
    }
    for (const [i, count] of counts.entries()) {
      if (!sameDim(pooled.shape[i + 2] ?? 1, count)) pooled = averageAxis(context, pooled, i + 2, count);
    }
    return pooled === batched ? copyOf(batched) : pooled;
  });
}

defineOp(
  'aten::adaptive_avg_pool1d(Tensor self, SymInt[1] output_size) -> Tensor',
  (context, { self, output_size: size }) => adaptiveAveragePool(context, self, size, 1),
);
defineOp(
  'aten::adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor',
  (context, { self, output_size: size }) => adaptiveAveragePool(context, self, size, 2),
);
defineOp(
  'aten::adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor',
  (context, { self, output_size: size }) => adaptiveAveragePool(context, self, size, 3),
);
defineOp(
  'aten::_adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor',
  (context, { self, output_size: size }) => adaptiveAveragePool(context, self, size, 2),
);
defineOp(
  'aten::_adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor',
  (context, { self, output_size: size }) => adaptiveAveragePool(context, self, size, 3),
);
