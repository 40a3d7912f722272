import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { subDims, SymInt, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { binary, compare } from '../../arithmetic.ts';
import { int } from '../../attributes.ts';
import { zeroUnless } from '../../empty-guard.ts';
import { positions } from '../../positions.ts';

/** Sequences of different lengths, the longest first, padded to one length. */
export interface PaddedSequences {
  /** [T, B, ...]. */
  readonly padded: TensorValue;
  /** INT64 [B]. */
  readonly lengths: TensorValue;
}

/**
 * The padded sequences from which packed data was made, because recurrent operators need them. The packed data is computed
 * too, so that other operators on it give the same as in PyTorch. Nodes without users are pruned.
 */
const padded = new WeakMap<TensorValue, PaddedSequences>();

/** Packs sequences: the data [sum of lengths, ...] in order of time, and the batch sizes INT64 [longest]. */
export function pack(
  context: LowerContext,
  sequences: PaddedSequences,
): { readonly data: TensorValue; readonly batchSizes: TensorValue } {
  const { lengths } = sequences;
  const longest = longestOf(context, lengths);
  const running = runningMask(context, longest, lengths);
  const batchSizes = countTrue(context, running, 1);
  const features = sequences.padded.shape.slice(2);
  const data = context.node('GatherND', [sequences.padded, positionsOf(context, running)], {
    shape: [null, ...features],
  });
  padded.set(data, sequences);
  return { data, batchSizes };
}

/** The lengths. A run fails, as in PyTorch, if one is below 1 or larger than the one before it. */
export function checkedLengths(context: LowerContext, lengths: TensorValue): TensorValue {
  const batch = lengths.shape[0] ?? 1;
  const rest = subDims(batch, 1);
  const others = context.slice(lengths, 0, 1, batch, 1, rest);
  const following = context.node('Concat', [others, context.ints([1])], {
    shape: [batch],
    attributes: { axis: int(0) },
    adapt: false,
  });
  const steps = binary(context, 'Sub', lengths, following);
  const least = context.node('ReduceMin', [steps, context.ints([0])], { shape: [], attributes: { keepdims: int(0) } });
  const isWrong = context.cast(compare(context, 'Less', least, context.scalar(0n, 'int64')), 'int64');
  return binary(context, 'Add', lengths, zeroUnless(context, isWrong));
}

/** The padded sequences of packed data. */
export function unpack(context: LowerContext, data: TensorValue, batchSizes: TensorValue): PaddedSequences {
  const known = padded.get(data);
  if (known !== undefined) return known;
  const [time = 1] = batchSizes.shape;
  const first = context.item(context.reshape(context.slice(batchSizes, 0, 0, 1, 1, 1), []));
  const batch = first instanceof SymInt ? first : Number(first);
  const running = context.node('Less', [positions(context, batch), context.reshape(batchSizes, [time, 1])], {
    dtype: 'bool',
    shape: [time, batch],
  });
  const features = data.shape.slice(1);
  const zero = context.reshape(
    context.scalar(0, data.dtype),
    [time, batch, ...features].map(() => 1),
  );
  const empty = context.expand(zero, [time, batch, ...features]);
  const filled = context.node('ScatterND', [empty, positionsOf(context, running), data], { shape: empty.shape });
  return { padded: filled, lengths: countTrue(context, running, 0) };
}

/** BOOL [T, B]: true until the end of each sequence. */
export function runningMask(context: LowerContext, time: Dim, lengths: TensorValue): TensorValue {
  return context.node('Less', [context.reshape(positions(context, time), [time, 1]), lengths], {
    dtype: 'bool',
    shape: [time, lengths.shape[0] ?? 1],
  });
}

/** The greatest of the lengths, INT64 [B], as a size. */
export function longestOf(context: LowerContext, lengths: TensorValue): Dim {
  const longest = context.node('ReduceMax', [lengths, context.ints([0])], {
    shape: [],
    attributes: { keepdims: int(0) },
  });
  const item = context.item(longest);
  return item instanceof SymInt ? item : Number(item);
}

function countTrue(context: LowerContext, mask: TensorValue, axis: number): TensorValue {
  return context.node('ReduceSum', [context.cast(mask, 'int64'), context.ints([axis])], {
    shape: mask.shape.filter((_, i) => i !== axis),
    attributes: { keepdims: int(0) },
  });
}

/** The true positions of a mask in row-major order: INT64 [count, rank]. */
function positionsOf(context: LowerContext, mask: TensorValue): TensorValue {
  const places = context.node('NonZero', [mask], { dtype: 'int64', shape: [mask.rank, null] });
  return context.transpose(places, [1, 0]);
}
