import type { LowerContext } from '../symbolic/lower-context.ts';
import { addDims, mulDims, type Dim } from '../symbolic/sym-int.ts';
import type { TensorValue } from '../symbolic/values.ts';
import { rangeOf, toScalar } from './dims.ts';

/** At most this many positions become a constant of the model. */
const MAX_CONSTANT = 1024;

/** Options of {@link positions}. */
export interface PositionOptions {
  readonly start?: Dim;
  readonly step?: Dim;
  /** The axis of the positions in a tensor of `rank` axes. All other axes have size 1. Default: the only axis of a tensor of rank 1. */
  readonly axis?: number;
  readonly rank?: number;
}

/** The int64 numbers `start`, `start + step`, … along one axis. */
export function positions(context: LowerContext, count: Dim, options: PositionOptions = {}): TensorValue {
  const { start = 0, step = 1, axis = 0, rank = 1 } = options;
  const shape: Dim[] = Array.from({ length: rank }, (_, i) => (i === axis ? count : 1));
  if (typeof count === 'number' && typeof start === 'number' && typeof step === 'number' && count <= MAX_CONSTANT) {
    return context.constant(
      rangeOf(count).map((i) => BigInt(start + i * step)),
      'int64',
      shape as number[],
    );
  }
  if (typeof step !== 'number' || step < 0) {
    // ONNX Runtime takes Gather(Range) for a Slice, which reads an end of -1 as the last position.
    const factor = context.scalar(toScalar(step), 'int64');
    const scaled = context.node('Mul', [positions(context, count, { axis, rank }), factor]);
    return context.node('Add', [scaled, context.scalar(toScalar(start), 'int64')]);
  }
  const bounds = [start, addDims(start, mulDims(count, step)), step];
  const range = context.node(
    'Range',
    bounds.map((bound) => context.scalar(toScalar(bound), 'int64')),
    { dtype: 'int64', shape: [count] },
  );
  return context.reshape(range, shape);
}
