import { cumulative } from './cumulative.ts';
import { distances } from './distances.ts';
import { extremes } from './extremes.ts';
import { norms } from './norms.ts';
import { ordering } from './ordering.ts';
import { spread } from './spread.ts';
import { totals } from './totals.ts';

/** Operators that make one number of many: sums, extremes, norms, running and sorted results. */
export const reduction = [...totals, ...extremes, ...spread, ...norms, ...distances, ...cumulative, ...ordering];
