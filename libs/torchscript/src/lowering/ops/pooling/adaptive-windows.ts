import { positions } from '../../positions.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';

/** A matrix with at most this many elements becomes a constant. The graph computes larger ones at run time. */
const MAX_CONSTANT = 4096;

/** The bounds of the window of each output of adaptive pooling: int64 [count, 1]. */
export interface AdaptiveBounds {
  /** `floor(i * size / count)` */
  readonly start: TensorValue;
  /** `ceil((i + 1) * size / count)` */
  readonly end: TensorValue;
}

/** {@link AdaptiveBounds} for sizes known only at run time. Integer arithmetic keeps them exact. */
export function adaptiveBounds(context: LowerContext, size: Dim, count: Dim): AdaptiveBounds {
  const shape = [count, 1];
  const output = positions(context, count, { axis: 0, rank: 2 });
  const following = positions(context, count, { start: 1, axis: 0, rank: 2 });
  const [sizes, counts] = [context.ints([size]), context.ints([count])];
  const scaled = context.node('Mul', [following, sizes], { shape });
  const rounded = context.node('Add', [scaled, context.ints([subDims(count, 1)])], { shape });
  return {
    start: context.node('Div', [context.node('Mul', [output, sizes], { shape }), counts], { shape }),
    end: context.node('Div', [rounded, counts], { shape }),
  };
}

/** The matrix [count, size] that averages each of `count` windows of an axis of `size` elements. */
export function averagingMatrix(
  context: LowerContext,
  size: Dim,
  count: Dim,
  dtype: TensorValue['dtype'],
): TensorValue {
  if (typeof size === 'number' && typeof count === 'number' && size * count <= MAX_CONSTANT) {
    const rows = Array.from({ length: count }, (_, i) => {
      const [start, end] = [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)];
      return Array.from({ length: size }, (_, at) => (at >= start && at < end ? 1 / (end - start) : 0));
    });
    return context.constant(rows.flat(), dtype, [count, size]);
  }
  const { start, end } = adaptiveBounds(context, size, count);
  const shape = [count, size];
  const input = positions(context, size, { axis: 1, rank: 2 });
  const begun = context.node('GreaterOrEqual', [input, start], { dtype: 'bool', shape });
  const open = context.node('Less', [input, end], { dtype: 'bool', shape });
  const inside = context.cast(context.node('And', [begun, open], { shape }), dtype);
  const widths = context.cast(context.node('Sub', [end, start], { shape: [count, 1] }), dtype);
  return context.node('Div', [inside, widths], { shape });
}
