import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { exactQuotient, floorDivDims, mulDims, SymInt, type Dim } from '../../../symbolic/sym-int.ts';

/** The sizes of one axis before and after a resize. */
export interface ResizedAxis {
  readonly from: Dim;
  readonly to: Dim;
  /** The given factor, if there is one. Then positions are mapped by it and not by the ratio of the sizes. */
  readonly factor: number | undefined;
}

/** The axes of a resize to the given sizes or by the given factors. If both are given, the factors map positions. */
export function resizedAxes(
  context: LowerContext,
  from: readonly Dim[],
  sizes: readonly Dim[] | null,
  factors: readonly (number | null)[] | null,
): ResizedAxis[] {
  return from.map((size, i) => {
    const given = factors?.[i] ?? null;
    const factor = given === null || given <= 0 ? undefined : given;
    const to = sizes?.[i] ?? (factor === undefined ? undefined : scaledSize(context, size, factor));
    if (to === undefined) return context.unsupported('resizing without a size or a scale factor', 'give one of them');
    // A factor that equals the ratio of the sizes is not needed.
    const plain = factor === undefined || ratio(size, to) === factor;
    return { from: size, to, factor: plain ? undefined : factor };
  });
}

/** The largest denominator of a factor that is treated as a fraction. */
const MAX_DENOMINATOR = 4096;

/** `floor(size * factor)`, computed in float64. */
function scaledSize(context: LowerContext, size: Dim, factor: number): Dim {
  if (typeof size === 'number') return Math.floor(size * factor);
  for (let denominator = 1; denominator <= MAX_DENOMINATOR; denominator *= 2) {
    const numerator = factor * denominator;
    // float64 computes with halves, quarters, … without rounding.
    if (Number.isInteger(numerator)) return floorDivDims(mulDims(size, numerator), denominator);
  }
  const wide = context.scalar(size, 'float64');
  const scaled = context.node('Mul', [wide, context.scalar(factor, 'float64')]);
  const result = context.item(context.cast(scaled, 'int64'));
  return result instanceof SymInt ? result : Number(result);
}

/** `to / from` if it or its inverse is a known whole number, otherwise undefined. */
export function ratio(from: Dim, to: Dim): number | undefined {
  if (typeof from === 'number' && typeof to === 'number') return to / from;
  const up = exactQuotient(to, from);
  if (typeof up === 'number') return up;
  const down = exactQuotient(from, to);
  return typeof down === 'number' ? 1 / down : undefined;
}

/** True for the factors 1, 2, 4, … and 1/2, 1/4, …, with which float32 maps positions without rounding. */
export function isPowerOfTwo(factor: number | undefined): factor is number {
  return factor !== undefined && Number.isInteger(Math.log2(factor));
}
