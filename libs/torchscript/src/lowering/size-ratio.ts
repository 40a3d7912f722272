import type { LowerContext } from '../symbolic/lower-context.ts';
import { SymInt, type Dim } from '../symbolic/sym-int.ts';
import { SymFloat, type Scalar } from '../symbolic/values.ts';

/**
 * A float that was computed from sizes: `over / under`. So `math.ceil(n / 32)` and `int(n * 0.5)` are sizes again, and shapes that
 * use them stay known.
 */
export interface Ratio {
  readonly over: Dim;
  /** A positive whole number. */
  readonly under: number;
  /** Whether the float holds the ratio without rounding. A rounded ratio may only be rounded to a whole number. */
  readonly exact: boolean;
}

const ratios = new WeakMap<SymFloat, Ratio>();

/** With larger divisors, products of sizes and divisors might not fit into a double. */
const MAX_UNDER = 2 ** 20;

/** Notes the ratio from which a float was computed. */
export function noteRatio(value: SymFloat, ratio: Ratio | undefined): void {
  if (ratio !== undefined && ratio.under <= MAX_UNDER) ratios.set(value, ratio);
}

/** A number as a fraction of sizes; undefined if it is not one. */
export function ratioOf(context: LowerContext, value: Scalar): Ratio | undefined {
  if (value instanceof SymInt) return { over: context.resolve(value), under: 1, exact: true };
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? whole(Number(value)) : undefined;
  if (typeof value === 'number') return dyadic(value);
  return value instanceof SymFloat ? ratios.get(value) : undefined;
}

/** As {@link ratioOf}, but only if the float is exact. */
export function exactRatio(context: LowerContext, value: Scalar): Ratio | undefined {
  const ratio = ratioOf(context, value);
  return ratio?.exact === true ? ratio : undefined;
}

const whole = (over: number): Ratio => ({ over, under: 1, exact: true });

function dyadic(value: number): Ratio | undefined {
  for (let under = 1; under <= MAX_UNDER; under *= 2) {
    if (Number.isSafeInteger(value * under)) return { over: value * under + 0, under, exact: true };
  }
  return undefined;
}
