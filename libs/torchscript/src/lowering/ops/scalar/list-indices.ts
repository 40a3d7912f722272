import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { Value } from '../../../symbolic/values.ts';

/** The positions that `[start:end:step]` selects in a list or string of `length` items. */
export function defaultSlice(
  context: LowerContext,
  length: number,
  bounds: { readonly start: Value | undefined; readonly end: Value | undefined; readonly step: Value | undefined },
): number[] {
  const [start, end, step = 1] = [bounds.start, bounds.end, bounds.step].map((value) => numberOf(context, value));
  if (step === 0) return context.unsupported('a slice with a step of 0', 'PyTorch fails here too');
  const [least, most] = step > 0 ? [0, length] : [-1, length - 1];
  const cut = (bound: number | undefined, defaultBound: number): number =>
    bound === undefined ? defaultBound : Math.max(least, Math.min(most, bound < 0 ? bound + length : bound));
  const from = cut(start, step > 0 ? 0 : length - 1);
  const to = cut(end, step > 0 ? length : -1);
  const positions: number[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) positions.push(i);
  return positions;
}

function numberOf(context: LowerContext, value: Value | undefined): number | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'bigint') return Number(value);
  return context.unsupported(
    'a slice of a list whose bounds are known only at run time',
    'keep the items in a tensor, or fix the sizes it depends on with --input name:dtype[sizes]',
  );
}

/** The position of an index, which may be negative, in a list of `length` items. */
export function positionIn(context: LowerContext, length: number, index: Value | undefined, what = 'a list'): number {
  if (typeof index !== 'bigint') {
    return context.unsupported(
      `an index into ${what} that is known only at run time`,
      'fix the sizes it depends on with --input name:dtype[sizes]',
    );
  }
  const at = Number(index) < 0 ? Number(index) + length : Number(index);
  if (at >= 0 && at < length) return at;
  return context.unsupported(
    `item ${index} of ${what} of ${length}`,
    'the index is out of range, in PyTorch too: check the sizes of the inputs',
  );
}
