import type { LowerContext } from '../symbolic/lower-context.ts';
import { type TensorValue } from '../symbolic/values.ts';
import { broadcastShapes } from './broadcast.ts';

/** A node with two operands that have the same dtype and broadcast: `Add`, `Sub`, `Mul`, `Div`, `Pow`, `Max`, `Min`, `And`, `Or`. */
export function binary(context: LowerContext, opType: string, a: TensorValue, b: TensorValue): TensorValue {
  return context.node(opType, [a, b], { shape: broadcastShapes(context, a.content.shape, b.content.shape) });
}

/** A comparison of two operands that have the same dtype and broadcast: `Equal`, `Less`, `LessOrEqual`, `Greater`, `GreaterOrEqual`. */
export function compare(context: LowerContext, opType: string, a: TensorValue, b: TensorValue): TensorValue {
  const shape = broadcastShapes(context, a.content.shape, b.content.shape);
  // ONNX Runtime does not order truth values.
  const [x, y] =
    a.dtype === 'bool' && opType !== 'Equal' ? [context.cast(a, 'int32'), context.cast(b, 'int32')] : [a, b];
  return context.node(opType, [x, y], { dtype: 'bool', shape });
}

/** `condition ? a : b` with broadcasting. `a` and `b` have the same dtype. */
export function choose(context: LowerContext, condition: TensorValue, a: TensorValue, b: TensorValue): TensorValue {
  const shape = broadcastShapes(context, condition.content.shape, a.content.shape, b.content.shape);
  if (a.dtype === 'bool') {
    const not = context.node('Not', [condition]);
    return binary(context, 'Or', binary(context, 'And', condition, a), binary(context, 'And', not, b));
  }
  // ONNX Runtime has no kernels for narrow integers.
  const narrow = a.dtype === 'int8' || a.dtype === 'int16';
  if (!narrow) return context.node('Where', [condition, a, b], { dtype: a.dtype, shape, adapt: false });
  const wide = context.node('Where', [condition, context.cast(a, 'int32'), context.cast(b, 'int32')], {
    dtype: 'int32',
    shape,
  });
  return context.cast(wide, a.dtype);
}
