import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { SymInt, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { int } from '../../attributes.ts';
import { positions } from '../../positions.ts';

/** Sequences of different lengths, longest first, padded to one length. */
export interface PaddedSequences {
  /** [T, B, ...]. */
  readonly padded: TensorValue;
  /** INT64 [B]. */
  readonly lengths: TensorValue;
}

/**
 * What packed data was made from: recurrent operators want it padded again. Packing itself is real, so that whatever else is
 * done to packed data comes out as in PyTorch; nodes that nobody uses are pruned.
 */
const padded = new WeakMap<TensorValue, PaddedSequences>();

/** Packs sequences: the data [sum of lengths, ...], time after time, and the batch sizes INT64 [longest]. */
export function pack(
  context: LowerContext,
  sequences: PaddedSequences,
): { readonly data: TensorValue; readonly batchSizes: TensorValue } {
  const { lengths } = sequences;
  const longest = longestOf(context, lengths);
  const running = runningMask(context, longest, lengths);
  const batchSizes = countTrue(context, running, 1);
  const features = sequences.padded.shape.slice(2);
  const data = context.node('GatherND', [sequences.padded, placesOf(context, running)], {
    shape: [null, ...features],
  });
  padded.set(data, sequences);
  return { data, batchSizes };
}

/** The sequences that packed data holds. */
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
  const filled = context.node('ScatterND', [empty, placesOf(context, running), data], { shape: empty.shape });
  return { padded: filled, lengths: countTrue(context, running, 0) };
}

/** BOOL [T, B]: whether a sequence is still running at a time. */
export function runningMask(context: LowerContext, time: Dim, lengths: TensorValue): TensorValue {
  return context.node('Less', [context.reshape(positions(context, time), [time, 1]), lengths], {
    dtype: 'bool',
    shape: [time, lengths.shape[0] ?? 1],
  });
}

/** The greatest of INT64 lengths [B], as a size. */
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

/** The places of a mask that hold, row-major: INT64 [count, rank]. */
function placesOf(context: LowerContext, mask: TensorValue): TensorValue {
  const places = context.node('NonZero', [mask], { dtype: 'int64', shape: [mask.rank, null] });
  return context.transpose(places, [1, 0]);
}
