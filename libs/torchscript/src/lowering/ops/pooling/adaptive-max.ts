import { choose } from '../../arithmetic.ts';
import { flag, int } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { isNan, orderKeys } from '../../nan.ts';
import { positions } from '../../positions.ts';
import { perAxis, withBatchAxis } from '../../spatial.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { productOf, sameDim, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { evenWindows } from './adaptive-average.ts';
import { adaptiveWindows } from './adaptive-windows.ts';
import { maxOfWindows } from './max-pooling.ts';

const { ops, defineOp } = opFamily('pooling');

/** Maximum pooling to a given output size. */
export const adaptiveMax = ops;

/** Values, and the position of each in its plane. */
type Indexed = readonly [values: TensorValue, indices: TensorValue];

/** The position of the first of the greatest elements along an axis, or of the last NaN. */
function greatestAt(context: LowerContext, values: TensorValue, axis: number): TensorValue {
  const options = { dtype: 'int64', shape: values.shape.with(axis, 1) } as const;
  const attributes = { axis: int(axis), keepdims: flag(true) };
  const first = context.node('ArgMax', [orderKeys(context, values, 1)], { ...options, attributes });
  if (!isFloating(values.dtype)) return first;
  const holes = context.cast(isNan(context, values), 'int32');
  const last = context.node('ArgMax', [holes], {
    ...options,
    attributes: { ...attributes, select_last_index: flag(true) },
  });
  const hasHole = context.cast(
    context.node('GatherElements', [holes, last], { shape: options.shape, attributes: { axis: int(axis) } }),
    'bool',
  );
  return choose(context, hasHole, last, first);
}

/** The first of the greatest elements along an axis. The axis is removed. */
function firstGreatest(context: LowerContext, [values, indices]: Indexed, axis: number): Indexed {
  const kept = values.shape.with(axis, 1);
  const shape = values.shape.toSpliced(axis, 1);
  const best = greatestAt(context, values, axis);
  const attributes = { axis: int(axis) };
  const pick = (tensor: TensorValue): TensorValue =>
    context.reshape(context.node('GatherElements', [tensor, best], { shape: kept, attributes }), shape);
  return [pick(values), pick(indices)];
}

/** Pairs each element of [N, C, …] with its position in the plane, from 0 to H * W - 1. */
function withPositions(context: LowerContext, input: TensorValue): Indexed {
  const plane = input.shape.slice(2);
  const planePositions = context.reshape(positions(context, productOf(plane)), plane);
  return [input, context.expand(planePositions, input.shape)];
}

function adaptiveMaxPool(
  context: LowerContext,
  self: TensorValue,
  output: readonly Dim[],
  axes: number,
): readonly TensorValue[] {
  const counts = perAxis(output, axes);
  return withBatchAxis(context, self, axes, (batched) => {
    const sizes = batched.shape.slice(2);
    if (counts.every((count) => count === 1)) {
      const flat = [...batched.shape.slice(0, 2), productOf(sizes)];
      const [values, indices] = withPositions(context, context.reshape(batched, flat));
      return firstGreatest(context, [values, indices], 2).map((tensor) =>
        context.reshape(tensor, [...flat.slice(0, 2), ...counts]),
      );
    }
    const kernel = counts.map((count, i) => evenWindows(sizes[i] ?? 1, count));
    if (kernel.every((size) => size !== undefined)) {
      const none = { padding: kernel.map(() => 0), dilation: kernel.map(() => 1), ceil: false };
      return maxOfWindows(context, batched, { kernel, stride: kernel, ...none });
    }
    // From the last axis to the first, so that the first of equal elements in row-major order is taken, as in PyTorch.
    return [...counts.entries()].reverse().reduce<Indexed>(
      (pooled, [i, count]) => {
        if (sameDim(pooled[0].shape[i + 2] ?? 1, count)) return pooled;
        const [values, indices] = pooled;
        const { elements } = adaptiveWindows(context, values.shape[i + 2] ?? 1, count);
        return firstGreatest(context, [elements(values, i + 2), elements(indices, i + 2)], i + 3);
      },
      withPositions(context, batched),
    );
  });
}

defineOp('aten::adaptive_max_pool1d(Tensor self, SymInt[1] output_size) -> (Tensor, Tensor)', (context, args) =>
  adaptiveMaxPool(context, args.self, args.output_size, 1),
);
defineOp('aten::adaptive_max_pool2d(Tensor self, SymInt[2] output_size) -> (Tensor, Tensor)', (context, args) =>
  adaptiveMaxPool(context, args.self, args.output_size, 2),
);
defineOp('aten::adaptive_max_pool3d(Tensor self, SymInt[3] output_size) -> (Tensor, Tensor)', (context, args) =>
  adaptiveMaxPool(context, args.self, args.output_size, 3),
);
