import type { LowerContext } from '../symbolic/lower-context.ts';
import { isFloating } from '../symbolic/onnx-types.ts';
import type { TensorValue } from '../symbolic/values.ts';

/** A size, stride or padding per spatial axis: one number stands for all of them. */
export function perAxis<T>(values: readonly T[], axes: number): readonly T[] {
  const [first] = values;
  return values.length === 1 && first !== undefined ? Array.from({ length: axes }, () => first) : values;
}

/**
 * Runs an operator of [batch, channels, …spatial] on an input that may lack the batch axis: it gets one of size 1, which is
 * taken off the results again.
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

/** Refuses a tensor whose rank is none of `ranks`, the usual one first: while ranks are guessed, only that will do. */
export function requireRank(context: LowerContext, tensor: TensorValue, ...ranks: readonly number[]): void {
  const accepted = context.inferring ? ranks.slice(0, 1) : ranks;
  if (!accepted.includes(tensor.rank)) {
    context.unsupported(`a tensor of rank ${tensor.rank}`, `the operator takes rank ${accepted.join(' or ')}`);
  }
}

/** Refuses tensors of integers, for operators that ONNX has for floating-point numbers only. */
export function requireFloating(context: LowerContext, tensor: TensorValue): void {
  if (!isFloating(tensor.dtype))
    context.unsupported(`a tensor of ${tensor.dtype}`, 'convert it to a floating-point dtype first');
}
