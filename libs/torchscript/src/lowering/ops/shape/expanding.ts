import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { mulDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { broadcastShapes } from '../../broadcast.ts';
import { copyOf, withContiguity } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { rangeOf, sameShape } from '../../dims.ts';

const { ops, defineOp } = opFamily('shape');

/** Operators that repeat elements to fill a shape. */
export const expanding = ops;

/** Broadcasts to `shape`, as a view that cannot be changed in place. */
export function expandView(context: LowerContext, self: TensorValue, shape: readonly Dim[]): TensorValue {
  const same = sameShape(self.content.shape, shape);
  return context.view(
    self,
    (base) => withContiguity(context.expand(base, shape), same && base.content.contiguous),
    (_, updated) =>
      same
        ? updated
        : context.unsupported(
            'an in-place change of an expanded tensor',
            'call clone() on the result of expand() first',
          ),
  );
}

/** The sizes of an expand. -1 means the size of the tensor. */
function expandedSizes(context: LowerContext, self: TensorValue, sizes: readonly Dim[]): Dim[] {
  const { shape } = self.content;
  const added = sizes.length - shape.length;
  if (added < 0) {
    return context.unsupported(
      `expanding a tensor of rank ${shape.length} to ${sizes.length} sizes`,
      'the ranks of the inputs do not match the code of the model',
    );
  }
  return sizes.map((size, i) => {
    const own = shape[i - added];
    if (size === -1) return own ?? 1;
    if (typeof size === 'number' && typeof own === 'number' && own !== 1 && own !== size) {
      return context.unsupported(
        `expanding ${own} elements to ${size}`,
        'the sizes of the inputs do not match the code of the model',
      );
    }
    return size;
  });
}

defineOp(
  'aten::expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)',
  (context, { self, size }) => expandView(context, self, expandedSizes(context, self, size)),
);
defineOp('aten::expand_as(Tensor(a) self, Tensor other) -> Tensor(a)', (context, { self, other }) =>
  expandView(context, self, expandedSizes(context, self, other.content.shape)),
);
defineOp('aten::broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)', (context, { self, size }) =>
  expandView(context, self, expandedSizes(context, self, size)),
);
defineOp('aten::broadcast_tensors(Tensor[] tensors) -> Tensor[]', (context, { tensors }) => {
  const shape = broadcastShapes(context, ...tensors.map((tensor) => tensor.content.shape));
  return tensors.map((tensor) => expandView(context, tensor, shape));
});

/** The tensor repeated `repeats[i]` times along axis i. `repeats` may be longer than the shape. */
export function repeated(context: LowerContext, self: TensorValue, repeats: readonly Dim[]): TensorValue {
  const { shape } = self.content;
  const added = repeats.length - shape.length;
  const padded = [...rangeOf(added).map((): Dim => 1), ...shape];
  const base = context.reshape(self, padded);
  if (repeats.every((count) => count === 1)) return copyOf(base);
  return context.node('Tile', [base, context.ints(repeats)], {
    shape: padded.map((dim, i) => mulDims(dim, repeats[i] ?? 1)),
    adapt: false,
  });
}

defineOp('aten::repeat(Tensor self, SymInt[] repeats) -> Tensor', (context, { self, repeats }) =>
  repeats.length < self.rank
    ? context.unsupported(
        `repeat() with ${repeats.length} counts of a tensor of rank ${self.rank}`,
        'check the ranks of the inputs',
      )
    : repeated(context, self, repeats),
);

defineOp('aten::tile(Tensor self, SymInt[] dims) -> Tensor', (context, { self, dims }) =>
  repeated(context, self, [...rangeOf(Math.max(0, self.rank - dims.length)).map((): Dim => 1), ...dims]),
);

defineOp('aten::meshgrid(Tensor[] tensors) -> Tensor[]', (context, { tensors }) => meshgrid(context, tensors, 'ij'));
defineOp('aten::meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]', (context, { tensors, indexing }) =>
  meshgrid(context, tensors, indexing),
);

/** Gives each vector its own axis and expands it over the axes of the others. `xy` swaps the first two axes. */
export function meshgrid(context: LowerContext, tensors: readonly TensorValue[], indexing: string): TensorValue[] {
  const axes = rangeOf(tensors.length);
  if (indexing === 'xy' && tensors.length > 1) [axes[0], axes[1]] = [1, 0];
  const sizes = axes.map((i) => tensors[i]?.content.shape[0] ?? 1);
  return tensors.map((tensor, i) => {
    const along = sizes.map((size, axis) => (axes[axis] === i ? size : 1));
    return withContiguity(context.expand(context.reshape(tensor, along), sizes), false);
  });
}
