import { int } from '../../attributes.ts';
import { compare } from '../../arithmetic.ts';
import { positions } from '../../positions.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, floorDivDims, subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';

/** The windows of adaptive pooling along an axis. They overlap, and their widths differ by 1. */
export interface AdaptiveWindows {
  /** The width of each window: int64 [count, 1]. */
  readonly widths: TensorValue;
  /** Tells which elements belong to their window: bool [count, width]. */
  readonly inside: TensorValue;
  /** The elements of the windows: `[… axis …]` becomes `[… count, width …]`. Short windows repeat their last element. */
  elements(tensor: TensorValue, axis: number): TensorValue;
}

/** The {@link AdaptiveWindows} of `count` outputs over an axis of `size` elements. Integer arithmetic keeps their bounds exact. */
export function adaptiveWindows(context: LowerContext, size: Dim, count: Dim): AdaptiveWindows {
  const bounds = [count, 1];
  const output = positions(context, count, { axis: 0, rank: 2 });
  const following = positions(context, count, { start: 1, axis: 0, rank: 2 });
  const [sizes, counts] = [context.ints([size]), context.ints([count])];
  const scaled = context.node('Mul', [following, sizes], { shape: bounds });
  const rounded = context.node('Add', [scaled, context.ints([subDims(count, 1)])], { shape: bounds });
  // floor(i * size / count) and ceil((i + 1) * size / count)
  const start = context.node('Div', [context.node('Mul', [output, sizes], { shape: bounds }), counts], {
    shape: bounds,
  });
  const end = context.node('Div', [rounded, counts], { shape: bounds });
  const width = addDims(floorDivDims(addDims(size, -1), count), 2);
  const shape = [count, width];
  const reaching = context.node('Add', [start, positions(context, width, { axis: 1, rank: 2 })], { shape });
  const last = context.node('Sub', [end, context.ints([1])]);
  const at = context.node('Min', [reaching, last], { shape });
  return {
    widths: context.node('Sub', [end, start]),
    inside: compare(context, 'LessOrEqual', reaching, last),
    elements: (tensor, axis) =>
      context.node('Gather', [tensor, at], {
        shape: tensor.shape.toSpliced(axis, 1, count, width),
        attributes: { axis: int(axis) },
        adapt: false,
      }),
  };
}
