import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { mulDims } from '../../../symbolic/sym-int.ts';
import type { TensorValue, Value } from '../../../symbolic/values.ts';
import { binary } from '../../arithmetic.ts';
import { int } from '../../attributes.ts';
import { opFamily } from '../../define-op.ts';
import { toScalar } from '../../dims.ts';
import { numbersOf } from '../../quantized.ts';
import { embeddingBag } from '../indexing/embedding-bag.ts';
import { tableOf } from './packed.ts';

const { ops, defineOp } = opFamily('quantized');

/** Embeddings of 8 bits with a scale for each entry. */
export const quantizedEmbeddings = ops;

defineOp(
  'quantized::embedding_byte(__torch__.torch.classes.quantized.EmbeddingPackedParamsBase weight, Tensor indices, bool pruned_weights=False) -> Tensor',
  (context, { weight, indices, pruned_weights }) => {
    if (pruned_weights) return context.unsupported('pruned weights');
    const table = numbersOf(context, tableOf(context, weight));
    return context.node('Gather', [table, context.cast(indices, 'int64')], {
      shape: [...indices.shape, table.shape[1] ?? 1],
      attributes: { axis: int(0) },
      adapt: false,
    });
  },
);

interface BagArguments {
  readonly indices: TensorValue;
  readonly offsets: TensorValue | null;
  readonly per_sample_weights: TensorValue | null;
  readonly include_last_offset: boolean;
}

/** Sums of entries: for each bag, or for each row of `indices` [bags, size] if there are no offsets. */
function sumOfBags(context: LowerContext, packed: Value, args: BagArguments): TensorValue {
  const { indices, offsets, per_sample_weights: factors } = args;
  const weight = numbersOf(context, tableOf(context, packed));
  const flat = (tensor: TensorValue): TensorValue =>
    context.reshape(tensor, [tensor.shape.reduce((product, size) => mulDims(product, size), 1)]);
  const [bags = 1, size = 1] = indices.shape;
  const starts = offsets ?? rowStarts(context, bags, size);
  const [sums] = embeddingBag(context, {
    weight,
    indices: flat(indices),
    offsets: starts,
    mode: 0,
    per_sample_weights: factors === null ? null : flat(factors),
    include_last_offset: offsets !== null && args.include_last_offset,
    padding_idx: null,
  });
  return sums ?? weight;
}

function rowStarts(context: LowerContext, bags: TensorValue['shape'][number], size: typeof bags): TensorValue {
  const number = (value: typeof bags): TensorValue => context.scalar(toScalar(value), 'int64');
  const rows = context.node('Range', [number(0), number(bags), number(1)], { dtype: 'int64', shape: [bags] });
  return binary(context, 'Mul', rows, number(size));
}

defineOp(
  'quantized::embedding_bag_byte(__torch__.torch.classes.quantized.EmbeddingPackedParamsBase weight, Tensor indices, Tensor? offsets=None, bool scale_grad_by_freq=False, int mode=0, bool pruned_weights=False, Tensor? per_sample_weights=None, Tensor? compressed_indices_mapping=None, bool include_last_offset=False) -> Tensor',
  (context, { weight, compressed_indices_mapping: mapping, ...args }) => {
    if (mapping !== null) return context.unsupported('pruned weights');
    return sumOfBags(context, weight, args);
  },
);
