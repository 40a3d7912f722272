import type { OnnxAttribute } from '@sconce/onnx';

import type { LowerContext } from '../symbolic/lower-context.ts';
import type { Dim } from '../symbolic/sym-int.ts';
import type { TensorValue } from '../symbolic/values.ts';
import type { ScalarType } from '../scalar-type.ts';
import { binary, compare } from './arithmetic.ts';
import { float } from './attributes.ts';

/** Draws numbers from the standard normal distribution, or uniform numbers in [0, 1). Each call of the model draws others. */
export function draw(
  context: LowerContext,
  kind: 'Normal' | 'Uniform',
  size: readonly Dim[],
  dtype: ScalarType,
): TensorValue {
  context.warn('the model draws random numbers: its results differ from those of PyTorch, also with the same seed');
  const like = context.expand(
    context.reshape(
      context.scalar(0, 'float32'),
      size.map(() => 1),
    ),
    size,
  );
  const attributes: Record<string, OnnxAttribute> =
    kind === 'Normal' ? { mean: float(0), scale: float(1) } : { low: float(0), high: float(1) };
  return context.cast(context.node(`Random${kind}Like`, [like], { attributes }), dtype);
}

/** Numbers of the exponential distribution of rate 1, all above 0. */
export function drawExponential(context: LowerContext, size: readonly Dim[]): TensorValue {
  const rest = binary(context, 'Sub', context.scalar(1, 'float32'), draw(context, 'Uniform', size, 'float32'));
  const waited = context.node('Neg', [context.node('Log', [rest])]);
  return binary(context, 'Max', waited, context.scalar(SMALLEST, 'float32'));
}

/** The smallest normal number of float32. */
const SMALLEST = 2 ** -126;

/** Truth values of shape `size`, each false with probability `p`. */
export function drawKept(context: LowerContext, size: readonly Dim[], p: number): TensorValue {
  return compare(context, 'GreaterOrEqual', draw(context, 'Uniform', size, 'float32'), context.scalar(p, 'float32'));
}

/** Dropout in training mode: sets elements to 0 with probability `p` and multiplies the others by 1 / (1 - p). */
export function dropOut(context: LowerContext, input: TensorValue, p: number, size = input.shape): TensorValue {
  if (p === 0) return input;
  const kept = context.cast(drawKept(context, size, p), input.dtype);
  const factor = context.scalar(p === 1 ? 0 : 1 / (1 - p), input.dtype);
  return binary(context, 'Mul', input, binary(context, 'Mul', kept, factor));
}
