import type { LowerContext } from '../symbolic/lower-context.ts';
import { SymInt, type Dim } from '../symbolic/sym-int.ts';
import { SymFloat, type Scalar } from '../symbolic/values.ts';

/**
 * A float that was computed from sizes: `over / under`. `math.ceil(n / 32)` and `int(n * 0.5)` are sizes again, and the
 * shapes made with them stay known.
 */
export interface Ratio {
  readonly over: Dim;
  /** A positive whole number. */
  readonly under: number;
  /** Whether the float holds it without rounding; what is rounded may still be rounded to a whole number, and no more. */
  readonly exact: boolean;
}

const ratios = new WeakMap<SymFloat, Ratio>();

/** Beyond that, products of sizes and divisors might not fit a double. */
const MAX_UNDER = 2 ** 20;

/** Notes where a float known only at run time comes from. */
export function noteRatio(value: SymFloat, ratio: Ratio | undefined): void {
  if (ratio !== undefined && ratio.under <= MAX_UNDER) ratios.set(value, ratio);
}

/** A number as a fraction of sizes; undefined where it is none. */
export function ratioOf(context: LowerContext, value: Scalar): Ratio | undefined {
  if (value instanceof SymInt) return { over: context.resolve(value), under: 1, exact: true };
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? whole(Number(value)) : undefined;
  if (typeof value === 'number') return dyadic(value);
  return value instanceof SymFloat ? ratios.get(value) : undefined;
}

/** The same, where no rounding has taken place. */
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
