import type { LowerContext } from '../symbolic/lower-context.ts';
import { isFloating } from '../symbolic/onnx-types.ts';
import type { TensorValue } from '../symbolic/values.ts';

/** One size, stride or padding per spatial axis. A single number applies to all axes. */
export function perAxis<T>(values: readonly T[], axes: number): readonly T[] {
  const [first] = values;
  return values.length === 1 && first !== undefined ? Array.from({ length: axes }, () => first) : values;
}

/**
 * Runs an operator on [batch, channels, …spatial]. An input without a batch axis gets one of size 1, which is removed from the
 * results.
 */
export function withBatchAxis(
  context: LowerContext,
  input: TensorValue,
  spatialAxes: number,
  run: (input: TensorValue) => readonly TensorValue[],
): readonly TensorValue[] {
  const rank = spatialAxes + 2;
  if (input.rank === rank) return run(input);
  if (input.rank !== rank - 1 || context.inferring) {
    return context.unsupported(`an input of rank ${input.rank}`, `it takes [batch, channels, …]: rank ${rank}`);
  }
  return run(context.reshape(input, [1, ...input.shape])).map((result) =>
    context.reshape(result, result.shape.slice(1)),
  );
}

/** {@link withBatchAxis} for an operator with one result. */
export function withBatch(
  context: LowerContext,
  input: TensorValue,
  spatialAxes: number,
  run: (input: TensorValue) => TensorValue,
): TensorValue {
  const [result] = withBatchAxis(context, input, spatialAxes, (batched) => [run(batched)]);
  return result ?? input;
}

/** Refuses a tensor of a rank that is not in `ranks`. The first is the usual rank: only that is accepted while ranks are guessed. */
export function requireRank(context: LowerContext, tensor: TensorValue, ...ranks: readonly number[]): void {
  const accepted = context.inferring ? ranks.slice(0, 1) : ranks;
  if (!accepted.includes(tensor.rank)) {
    context.unsupported(`a tensor of rank ${tensor.rank}`, `the operator takes rank ${accepted.join(' or ')}`);
  }
}

/** Refuses tensors of integers, for operators that ONNX has only for floating-point numbers. */
export function requireFloating(context: LowerContext, tensor: TensorValue): void {
  if (!isFloating(tensor.dtype))
    context.unsupported(`a tensor of ${tensor.dtype}`, 'convert it to a floating-point dtype first');
}
