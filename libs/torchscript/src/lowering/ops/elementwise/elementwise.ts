import { arithmeticOps } from './arithmetic-ops.ts';
import { bits } from './bits.ts';
import { choosing } from './choosing.ts';
import { comparing } from './comparing.ts';
import { division } from './division.ts';
import { functions } from './functions.ts';

/** Arithmetic, comparisons and functions, element by element, with PyTorch's promotion of dtypes. */
export const elementwise = [...arithmeticOps, ...division, ...functions, ...comparing, ...choosing, ...bits];
