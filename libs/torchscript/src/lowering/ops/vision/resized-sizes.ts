import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { exactQuotient, floorDivDims, mulDims, SymInt, type Dim } from '../../../symbolic/sym-int.ts';

/** How one axis is resized. */
export interface ResizedAxis {
  readonly from: Dim;
  readonly to: Dim;
  /** The factor given in place of a size: positions are mapped by it, and not by the ratio of the sizes. */
  readonly factor: number | undefined;
}

/** The axes of a resize whose target is given as sizes, as factors, or both: then the factors map positions. */
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
    if (to === undefined) return context.unsupported('resizing without a size or a scale factor');
    // A factor that is the ratio of the sizes says nothing more than they do.
    const plain = factor === undefined || ratio(size, to) === factor;
    return { from: size, to, factor: plain ? undefined : factor };
  });
}

/** Beyond this a factor is not taken for a fraction of small numbers. */
const MAX_DENOMINATOR = 4096;

/** `floor(size * factor)` as float64 gives it. */
function scaledSize(context: LowerContext, size: Dim, factor: number): Dim {
  if (typeof size === 'number') return Math.floor(size * factor);
  for (let denominator = 1; denominator <= MAX_DENOMINATOR; denominator *= 2) {
    const numerator = factor * denominator;
    // Halves, quarters, …: float64 computes with them without rounding.
    if (Number.isInteger(numerator)) return floorDivDims(mulDims(size, numerator), denominator);
  }
  const wide = context.scalar(size, 'float64');
  const scaled = context.node('Mul', [wide, context.scalar(factor, 'float64')]);
  const result = context.item(context.cast(scaled, 'int64'));
  return result instanceof SymInt ? result : Number(result);
}

/** `to / from` where it is a known whole number, or one divided by a known whole number; undefined otherwise. */
export function ratio(from: Dim, to: Dim): number | undefined {
  if (typeof from === 'number' && typeof to === 'number') return to / from;
  const up = exactQuotient(to, from);
  if (typeof up === 'number') return up;
  const down = exactQuotient(from, to);
  return typeof down === 'number' ? 1 / down : undefined;
}

/** Whether the factor is 1, 2, 4, … or 1/2, 1/4, …: float32 maps positions by it without rounding. */
export function isPowerOfTwo(factor: number | undefined): factor is number {
  return factor !== undefined && Number.isInteger(Math.log2(factor));
}
