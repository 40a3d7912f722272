import type { LowerContext } from '../symbolic/lower-context.ts';
import { addDims, type Dim } from '../symbolic/sym-int.ts';
import type { TensorValue } from '../symbolic/values.ts';
import { scatterElements } from './scatter.ts';

/** The running sum of a tensor along an axis. */
export function runningSum(context: LowerContext, tensor: TensorValue, axis: number): TensorValue {
  return context.node('CumSum', [tensor, context.scalar(BigInt(axis), 'int64')]);
}

/**
 * For each position from 0 to `total` - 1: how many of `bounds` (1-D, int64, each from 0 to `total`) are at most that position. If
 * the bounds are the ends of segments, this is the index of the segment that holds the position.
 */
export function segmentNumbers(context: LowerContext, bounds: TensorValue, total: Dim): TensorValue {
  const zeros = context.expand(context.scalar(0n, 'int64'), [addDims(total, 1)]);
  const ones = context.expand(context.scalar(1n, 'int64'), bounds.content.shape);
  const marks = scatterElements(context, zeros, 0, bounds, ones, 'add');
  return runningSum(context, context.slice(marks, 0, 0, total, 1, total), 0);
}
