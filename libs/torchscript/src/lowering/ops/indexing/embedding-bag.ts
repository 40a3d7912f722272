import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, subDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { binary, choose, compare } from '../../arithmetic.ts';
import { int } from '../../attributes.ts';
import { segmentNumbers } from '../../counting.ts';
import { opFamily } from '../../define-op.ts';
import { toScalar } from '../../dims.ts';
import { scatterElements } from '../../scatter.ts';
import { notNegative } from './axis-index.ts';

const { ops, defineOp } = opFamily('indexing');

/** Sums, means and maxima of embeddings. */
export const embeddingBags = ops;

/** Arguments of `embedding_bag`. */
interface BagArguments {
  readonly weight: TensorValue;
  readonly indices: TensorValue;
  readonly offsets: TensorValue;
  /** 0: sum, 1: mean, 2: maximum. */
  readonly mode: number;
  readonly per_sample_weights: TensorValue | null;
  readonly include_last_offset: boolean;
  readonly padding_idx: number | null;
}

/** The bags, the bag of each index, the sizes of the bags, and (PyTorch's fourth result) the sizes again. */
export function embeddingBag(context: LowerContext, args: BagArguments): TensorValue[] {
  const { weight, mode, per_sample_weights } = args;
  const indices = context.cast(args.indices, 'int64');
  const count = indices.content.shape[0] ?? 0;
  const bags = subDims(args.offsets.content.shape[0] ?? 0, args.include_last_offset ? 1 : 0);
  const offsets = context.slice(context.cast(args.offsets, 'int64'), 0, 0, bags, 1, bags);
  const one = context.scalar(1n, 'int64');
  const bagOf = binary(context, 'Sub', segmentNumbers(context, offsets, count), one);
  const [entries, width] = weight.content.shape;
  const rows = context.node('Gather', [weight, notNegative(context, indices, entries ?? 1)], {
    shape: [count, width ?? 1],
    attributes: { axis: int(0) },
    adapt: false,
  });
  const counted = countedPlaces(context, indices, args.padding_idx, entries ?? 0);
  const zeros = (shape: readonly Dim[], value: number | bigint, like: TensorValue): TensorValue =>
    context.expand(context.scalar(value, like.dtype), shape);
  const sizes = scatterElements(context, zeros([bags], 0n, one), 0, bagOf, counted, 'add');
  const scale = context.reshape(context.cast(counted, weight.dtype), [count, 1]);
  const weighted =
    per_sample_weights === null
      ? scale
      : binary(context, 'Mul', scale, context.reshape(per_sample_weights, [count, 1]));
  const places = context.expand(context.reshape(bagOf, [count, 1]), [count, width ?? 1]);
  const result = (start: number, values: TensorValue, reduction: 'add' | 'max'): TensorValue =>
    scatterElements(context, zeros([bags, width ?? 1], start, weight), 0, places, values, reduction);
  const size = context.reshape(sizes, [bags, 1]);
  if (mode === 2) {
    const left = compare(context, 'Greater', context.reshape(counted, [count, 1]), context.scalar(0n, 'int64'));
    const kept = choose(context, left, rows, context.scalar(-Infinity, weight.dtype));
    const isEmpty = compare(context, 'Equal', size, context.scalar(0n, 'int64'));
    const maxima = choose(context, isEmpty, context.scalar(0, weight.dtype), result(-Infinity, kept, 'max'));
    return [maxima, bagOf, sizes, sizes];
  }
  // Most models have neither a padding index nor weights, so no factor is needed.
  const addends =
    args.padding_idx === null && per_sample_weights === null ? rows : binary(context, 'Mul', rows, weighted);
  const sums = result(0, addends, 'add');
  if (mode === 0) return [sums, bagOf, sizes, sizes];
  const divisor = context.cast(binary(context, 'Max', size, one), weight.dtype);
  return [binary(context, 'Div', sums, divisor), bagOf, sizes, sizes];
}

/** 0 for the padding index, 1 for every other index. */
function countedPlaces(context: LowerContext, indices: TensorValue, padding: number | null, entries: Dim): TensorValue {
  const { shape } = indices.content;
  if (padding === null) return context.expand(context.scalar(1n, 'int64'), shape);
  const at = padding < 0 ? addDims(entries, padding) : padding;
  const isPadding = compare(context, 'Equal', indices, context.scalar(toScalar(at), 'int64'));
  return context.cast(context.node('Not', [isPadding]), 'int64');
}

const LIMITS = {
  limits: 'of the further results only the numbers and sizes of the bags are as in PyTorch; mode max may pass over NaN',
};

defineOp(
  'aten::embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False) -> (Tensor, Tensor, Tensor, Tensor)',
  (context, args) => embeddingBag(context, { ...args, padding_idx: null }),
  LIMITS,
);
defineOp(
  'aten::embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq, int mode, bool sparse, Tensor? per_sample_weights, bool include_last_offset, int? padding_idx) -> (Tensor, Tensor, Tensor, Tensor)',
  (context, args) => embeddingBag(context, args),
  LIMITS,
);
