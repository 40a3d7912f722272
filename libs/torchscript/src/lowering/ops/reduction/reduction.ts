import { cumulative } from './cumulative.ts';
import { distances } from './distances.ts';
import { extremes } from './extremes.ts';
import { histogram } from './histogram.ts';
import { norms } from './norms.ts';
import { ordering } from './ordering.ts';
import { spread } from './spread.ts';
import { totals } from './totals.ts';

/** Reductions (sums, extremes, norms), cumulative operators and sorting. */
export const reduction = [
  ...totals,
  ...extremes,
  ...spread,
  ...norms,
  ...distances,
  ...cumulative,
  ...ordering,
  ...histogram,
];
