import type { LowerContext } from '../executor/lower-context.ts';
import { TensorValue } from '../executor/values.ts';

/**
 * PyTorch packs sequences of different lengths into one tensor without padding. Here they stay padded, [T, B, ...], and their
 * lengths go along: ONNX's recurrent operators take both.
 */
const lengthsOf = new WeakMap<TensorValue, TensorValue>();

/** `_pack_padded_sequence` of a padded tensor [T, B, ...]: stands for the packed data and its batch sizes. */
export function packed(context: LowerContext, padded: TensorValue, lengths: TensorValue): TensorValue[] {
  // Nothing but the operators on packed sequences may look at batch sizes, and those have the lengths.
  return [withLengths(padded, lengths), context.constant([], 'int64', [0])];
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
