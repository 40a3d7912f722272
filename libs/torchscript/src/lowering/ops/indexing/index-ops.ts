import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { readIndex, writeIndex } from './advanced-index.ts';

const { ops, defineOp } = opFamily('indexing');

/** Reads and writes of `x[indices]` with tensors and masks. */
export const indexOps = ops;

defineOp(
  'aten::index.Tensor(Tensor self, Tensor?[] indices) -> Tensor',
  (context, { self, indices }) => {
    const picked = readIndex(context, self, indices);
    return picked === self ? copyOf(self) : picked;
  },
  { limits: '0-d masks are refused' },
);

defineOp(
  'aten::index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor',
  (context, { self, indices, values, accumulate }) => copyOf(writeIndex(context, self, indices, values, accumulate)),
);
defineOp(
  'aten::_index_put_impl(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False, bool unsafe=False) -> Tensor',
  (context, { self, indices, values, accumulate }) => copyOf(writeIndex(context, self, indices, values, accumulate)),
);
