import type { LowerContext } from '../executor/lower-context.ts';
import { SymInt, type Dim } from '../executor/sym-int.ts';
import { TensorValue } from '../executor/values.ts';
import { int } from './attributes.ts';

/**
 * PyTorch packs sequences of different lengths into one tensor without padding. Here they stay padded, [T, B, ...], and their
 * lengths go along: ONNX's recurrent operators take both.
 */
const lengthsOf = new WeakMap<TensorValue, TensorValue>();

/** `_pack_padded_sequence` of a padded tensor [T, B, ...]: stands for the packed data, and the batch sizes, INT64 [longest]. */
export function packed(context: LowerContext, padded: TensorValue, lengths: TensorValue): TensorValue[] {
  const wide = context.cast(lengths, 'int64');
  const [batch = 1] = wide.shape;
  const steps = stepsOf(context, longestOf(context, wide));
  const [time = 1] = steps.shape;
  const running = context.node('Less', [context.reshape(steps, [time, 1]), context.reshape(wide, [1, batch])], {
    dtype: 'bool',
    shape: [time, batch],
  });
  const sizes = context.node('ReduceSum', [context.cast(running, 'int64'), context.ints([1])], {
    shape: [time],
    attributes: { keepdims: int(0) },
  });
  return [withLengths(padded, lengths), sizes];
}

/** The greatest of INT64 lengths [B], as a size. */
export function longestOf(context: LowerContext, lengths: TensorValue): Dim {
  const longest = context.node('ReduceMax', [lengths, context.ints([0])], { shape: [], attributes: { keepdims: int(0) } });
  const item = context.item(longest);
  return item instanceof SymInt ? item : Number(item);
}

/** 0, 1, … `count` - 1 as INT64 [count]. */
export function stepsOf(context: LowerContext, count: Dim): TensorValue {
  const end = context.scalar(count instanceof SymInt ? count : BigInt(count), 'int64');
  return context.node('Range', [context.scalar(0n, 'int64'), end, context.scalar(1n, 'int64')], { dtype: 'int64', shape: [count] });
}

/** The tensor [T, B, ...] as packed data of these lengths, INT64 [B]. */
export function withLengths(padded: TensorValue, lengths: TensorValue): TensorValue {
  const data = new TensorValue(padded.content);
  lengthsOf.set(data, lengths);
  return data;
}

/** The lengths of packed data. Refuses data that other operators have changed. */
export function unpacked(context: LowerContext, data: TensorValue): TensorValue {
  return lengthsOf.get(data) ?? context.unsupported('a packed sequence that was changed between packing and use', 'pad it before other operators use it');
}
