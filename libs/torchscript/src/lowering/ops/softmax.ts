import type { LowerContext } from '../../symbolic/lower-context.ts';
import type { TensorValue } from '../../symbolic/values.ts';
import type { ScalarType } from '../../scalar-type.ts';
import { choose, compare } from '../arithmetic.ts';
import { flag, int } from '../attributes.ts';
import { opFamily } from '../define-op.ts';

const { ops, defineOp } = opFamily('activation');

/** Softmax along an axis and its logarithm. */
export const softmaxes = ops;

/** `Softmax` or `LogSoftmax` in `dtype`. Null means the dtype of the tensor. */
function softmax(
  context: LowerContext,
  opType: 'Softmax' | 'LogSoftmax',
  self: TensorValue,
  dim: number,
  dtype: ScalarType | null,
): TensorValue {
  const axis = context.axis(dim, self.rank);
  const input = dtype === null ? self : context.cast(self, dtype);
  // PyTorch treats a 0-d tensor as one element, and ONNX requires an axis.
  if (self.rank === 0) return context.reshape(softmax(context, opType, context.reshape(input, [1]), 0, null), []);
  return context.node(opType, [input], { attributes: { axis: int(axis) } });
}

for (const [name, opType] of [
  ['softmax', 'Softmax'],
  ['log_softmax', 'LogSoftmax'],
] as const) {
  defineOp(
    `aten::${name}.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor`,
    (context, { self, dim, dtype }) => softmax(context, opType, self, dim, dtype),
  );
  defineOp(`aten::_${name}(Tensor self, int dim, bool half_to_float) -> Tensor`, (context, args) =>
    softmax(context, opType, args.self, args.dim, args.half_to_float ? 'float32' : null),
  );
}
defineOp(
  'aten::special_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor',
  (context, { self, dim, dtype }) => softmax(context, 'Softmax', self, dim, dtype),
);
defineOp(
  'aten::special_log_softmax(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, dim, dtype }) => softmax(context, 'LogSoftmax', self, dim, dtype),
);

defineOp(
  'aten::_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor',
  (context, { self, dim, dtype }) => {
    const result = softmax(context, 'Softmax', self, dim, dtype);
    const axis = context.axis(dim, self.rank);
    const greatest =
      self.rank === 0
        ? self
        : context.node('ReduceMax', [self, context.ints([axis])], {
            shape: self.content.shape.map((size, i) => (i === axis ? 1 : size)),
            attributes: { keepdims: flag(true) },
          });
    // Rows in which every element is masked (-inf) give 0 instead of NaN.
    const masked = compare(context, 'Equal', greatest, context.scalar(-Infinity, self.dtype));
    return choose(context, masked, context.scalar(0, result.dtype), result);
  },
);
