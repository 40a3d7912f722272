import { positions } from '../../positions.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';

/** Cosines and sines of `2π * row * column / turn`, float64 [rows, columns]. */
export interface Waves {
  readonly cosines: TensorValue;
  readonly sines: TensorValue;
}

/**
 * The waves of a Fourier transform of `turn` points. The phases are reduced to one turn, so the values are exact to the last
 * bits. If the sizes are known, ONNX Runtime folds the waves to constants when it loads the model.
 */
export function waves(context: LowerContext, rows: Dim, columns: Dim, turn: Dim): Waves {
  const shape = [rows, columns];
  const [row, column] = [
    positions(context, rows, { axis: 0, rank: 2 }),
    positions(context, columns, { axis: 1, rank: 2 }),
  ];
  const points = context.ints([turn]);
  const steps = context.node('Mod', [context.node('Mul', [row, column], { shape }), points]);
  const turns = context.node('Div', [context.cast(steps, 'float64'), context.cast(points, 'float64')]);
  const angle = context.node('Mul', [turns, context.scalar(2 * Math.PI, 'float64')]);
  return { cosines: context.node('Cos', [angle]), sines: context.node('Sin', [angle]) };
}
