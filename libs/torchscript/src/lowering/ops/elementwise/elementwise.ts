import type { OpFamily } from '../../define-op.ts';
import { arithmetic } from './arithmetic.ts';
import { bitwise } from './bitwise.ts';
import { blending } from './blending.ts';
import { comparison } from './comparison.ts';
import { division } from './division.ts';
import { exponential } from './exponential.ts';
import { logical } from './logical.ts';
import { numberKinds } from './number-kinds.ts';
import { powers } from './powers.ts';
import { rounding } from './rounding.ts';
import { selection } from './selection.ts';
import { trigonometric } from './trigonometric.ts';

/** Elementwise operators, with PyTorch's promotion of dtypes and broadcasting. */
export const elementwise: OpFamily = [
  ...arithmetic,
  ...bitwise,
  ...blending,
  ...comparison,
  ...division,
  ...exponential,
  ...logical,
  ...numberKinds,
  ...powers,
  ...rounding,
  ...selection,
  ...trigonometric,
];
