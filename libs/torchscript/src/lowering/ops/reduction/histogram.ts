import { opFamily } from '../../define-op.ts';
import { scatterElements } from '../../scatter.ts';
import { reduce } from './reduce.ts';
import { mulDims } from '../../../symbolic/sym-int.ts';
import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';

const { ops, defineOp } = opFamily('reduction');

/** Counts of elements by their values. */
export const histogram = ops;

/** The edges of the outer bins, FLOAT64 scalars. Without a range they are the extremes of the data, which must not be equal. */
function edgesOf(
  context: LowerContext,
  flat: TensorValue,
  [min, max]: readonly [number, number],
): readonly [TensorValue, TensorValue] {
  const scalar = (value: number): TensorValue => context.scalar(value, 'float64');
  if (min < max) return [scalar(min), scalar(max)];
  if (min > max) return context.unsupported('histc with min above max', 'PyTorch fails here too');
  const low = reduce(context, 'ReduceMin', flat, [0], false);
  const high = reduce(context, 'ReduceMax', flat, [0], false);
  const same = context.node('Equal', [low, high], { dtype: 'bool', shape: [] });
  const widen = context.node('Where', [same, scalar(1), scalar(0)], { dtype: 'float64', shape: [] });
  return [context.node('Sub', [low, widen]), context.node('Add', [high, widen])];
}

defineOp(
  'aten::histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor',
  (context, { self, bins, min, max }) => {
    if (typeof bins !== 'number' || typeof min === 'object' || typeof max === 'object') {
      return context.unsupported('histc whose bins are not known', 'make bins, min and max numbers');
    }
    const flat = context.cast(context.reshape(self, [self.content.shape.reduce(mulDims, 1)]), 'float64');
    const [low, high] = edgesOf(context, flat, [Number(min), Number(max)]);
    const at = (opType: string, a: TensorValue, b: TensorValue): TensorValue => context.node(opType, [a, b]);
    const compare = (opType: string, edge: TensorValue): TensorValue =>
      context.node(opType, [flat, edge], { dtype: 'bool', shape: flat.shape });
    const inside = context.node('And', [compare('GreaterOrEqual', low), compare('LessOrEqual', high)], {
      dtype: 'bool',
      shape: flat.shape,
    });
    // PyTorch's arithmetic, in float64; the upper edge belongs to the last bin.
    const scaled = at('Mul', at('Sub', flat, low), context.scalar(bins, 'float64'));
    const position = context.node('Floor', [at('Div', scaled, at('Sub', high, low))]);
    const bounded = at('Min', position, context.scalar(bins - 1, 'float64'));
    const none = context.scalar(0, 'float64');
    const index = context.node('Where', [inside, bounded, none], { dtype: 'float64', shape: flat.shape });
    const zeros = context.expand(context.scalar(0, 'float32'), [bins]);
    const counts = scatterElements(
      context,
      zeros,
      0,
      context.cast(index, 'int64'),
      context.cast(inside, 'float32'),
      'add',
    );
    return context.cast(counts, self.dtype);
  },
);
