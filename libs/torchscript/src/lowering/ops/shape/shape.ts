import { diagonals } from './diagonals.ts';
import { expanding } from './expanding.ts';
import { inPlaceShapes } from './in-place.ts';
import { joining } from './joining.ts';
import { permuting } from './permuting.ts';
import { rearranging } from './rearranging.ts';
import { reshaping } from './reshaping.ts';
import { splitting } from './splitting.ts';

/** Operators that change shapes: views, joins, splits, repetition and diagonals. */
export const shape = [
  ...reshaping,
  ...permuting,
  ...expanding,
  ...joining,
  ...splitting,
  ...rearranging,
  ...diagonals,
  ...inPlaceShapes,
];
