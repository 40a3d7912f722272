import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { binary, choose } from '../../arithmetic.ts';
import { int } from '../../attributes.ts';
import { broadcastShapes } from '../../broadcast.ts';
import { runningSum } from '../../counting.ts';
import { opFamily } from '../../define-op.ts';
import { flattened } from './axis-index.ts';
import { maskedRows, nonzeroPositions, nonzeroVectors } from './mask.ts';

const { ops, defineOp } = opFamily('indexing');

/** Operators that select elements by masks or find non-zero elements. */
export const maskOps = ops;

defineOp('aten::masked_select(Tensor self, Tensor mask) -> Tensor', (context, { self, mask }) => {
  const shape = broadcastShapes(context, self.content.shape, mask.content.shape);
  const [elements, holds] = [self, context.cast(mask, 'bool')].map((tensor) =>
    flattened(context, context.expand(tensor, shape)),
  );
  return elements === undefined || holds === undefined ? undefined : maskedRows(context, elements, holds, 0);
});

// The true positions of the mask get the elements of the source in order.
defineOp(
  'aten::masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor',
  (context, { self, mask, source }) => {
    const shape = broadcastShapes(context, self.content.shape, mask.content.shape);
    const holds = flattened(context, context.expand(context.cast(mask, 'bool'), shape));
    const before = binary(
      context,
      'Sub',
      runningSum(context, context.cast(holds, 'int64'), 0),
      context.scalar(1n, 'int64'),
    );
    const places = binary(context, 'Max', before, context.scalar(0n, 'int64'));
    const picked = context.node('Gather', [flattened(context, source), places], {
      shape: places.content.shape,
      attributes: { axis: int(0) },
      adapt: false,
    });
    const kept = flattened(context, context.expand(self, shape));
    return context.reshape(choose(context, holds, context.cast(picked, self.dtype), kept), shape);
  },
);

/** The positions of the elements that are not 0: `[count, rank]`. */
function nonzeroRows(context: LowerContext, self: TensorValue): TensorValue {
  if (self.rank === 0) {
    return context.unsupported('nonzero() of a 0-d tensor', 'compare the number itself with 0');
  }
  return context.transpose(nonzeroPositions(context, self), [1, 0]);
}

defineOp('aten::nonzero(Tensor self) -> Tensor', (context, { self }) => nonzeroRows(context, self), {
  limits: '0-d tensors are refused',
});
defineOp('aten::argwhere(Tensor self) -> Tensor', (context, { self }) => nonzeroRows(context, self), {
  limits: '0-d tensors are refused',
});
defineOp('aten::nonzero_numpy(Tensor self) -> Tensor[]', (context, { self }) => nonzeroVectors(context, self));
defineOp('aten::where(Tensor condition) -> Tensor[]', (context, { condition }) => nonzeroVectors(context, condition));
