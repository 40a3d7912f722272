import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { withContiguity } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { rangeOf } from '../../dims.ts';

const { ops, defineOp } = opFamily('shape');

/** Operators that reorder axes. */
export const permuting = ops;

/** True if the order of the elements in memory stays the same, because only axes of size 1 move. */
function keepsOrder(base: TensorValue, permutation: readonly number[]): boolean {
  const moved = permutation.filter((axis) => base.content.shape[axis] !== 1);
  return base.content.contiguous && moved.every((axis, i) => axis >= (moved[i - 1] ?? 0));
}

/** A view with reordered axes: axis i of the result is axis `permutation[i]`. */
export function permuteView(context: LowerContext, self: TensorValue, permutation: readonly number[]): TensorValue {
  const inverse = inversePermutation(permutation);
  return context.view(
    self,
    (base) => withContiguity(context.transpose(base, permutation), keepsOrder(base, permutation)),
    (_, updated) => context.transpose(updated, inverse),
  );
}

/** The permutation that undoes `permutation`. */
export function inversePermutation(permutation: readonly number[]): number[] {
  return rangeOf(permutation.length).map((axis) => permutation.indexOf(axis));
}

/** A view with two axes swapped. */
export function swapped(context: LowerContext, self: TensorValue, first: number, second: number): TensorValue {
  const [a, b] = [context.axis(first, self.rank), context.axis(second, self.rank)];
  return permuteView(
    context,
    self,
    rangeOf(self.rank).map((axis) => (axis === a ? b : axis === b ? a : axis)),
  );
}

/** The permutation that moves the axes `source` to the positions `destination`. Other axes keep their order. */
export function movedAxes(
  context: LowerContext,
  rank: number,
  source: readonly number[],
  destination: readonly number[],
): number[] {
  const from = source.map((axis) => context.axis(axis, rank));
  const to = destination.map((axis) => context.axis(axis, rank));
  const others = rangeOf(rank).filter((axis) => !from.includes(axis));
  return rangeOf(rank).map((axis) => (to.includes(axis) ? from[to.indexOf(axis)] : others.shift()) ?? 0);
}

defineOp('aten::transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)', (context, { self, dim0, dim1 }) =>
  swapped(context, self, dim0, dim1),
);
defineOp('aten::swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)', (context, { self, axis0, axis1 }) =>
  swapped(context, self, axis0, axis1),
);
defineOp('aten::swapdims(Tensor(a) self, int dim0, int dim1) -> Tensor(a)', (context, { self, dim0, dim1 }) =>
  swapped(context, self, dim0, dim1),
);

defineOp('aten::permute(Tensor(a) self, int[] dims) -> Tensor(a)', (context, { self, dims }) => {
  const axes = dims.map((dim) => context.axis(dim, self.rank));
  if (axes.length !== self.rank || new Set(axes).size !== self.rank) {
    return context.unsupported(
      `permute(${dims.join(', ')}) of a tensor of rank ${self.rank}`,
      'it must name every dimension once: check the ranks of the inputs',
    );
  }
  return permuteView(context, self, axes);
});

for (const name of ['movedim', 'moveaxis'] as const) {
  defineOp(
    `aten::${name}.int(Tensor(a) self, int source, int destination) -> Tensor(a)`,
    (context, { self, source, destination }) =>
      permuteView(context, self, movedAxes(context, self.rank, [source], [destination])),
  );
  defineOp(
    `aten::${name}.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)`,
    (context, { self, source, destination }) =>
      permuteView(context, self, movedAxes(context, self.rank, source, destination)),
  );
}

defineOp('aten::t(Tensor(a) self) -> Tensor(a)', (context, { self }) =>
  self.rank < 2 ? self : swapped(context, self, 0, 1),
);
defineOp('aten::numpy_T(Tensor(a) self) -> Tensor(a)', (context, { self }) =>
  permuteView(context, self, rangeOf(self.rank).reverse()),
);
defineOp('aten::mT(Tensor(a) self) -> Tensor(a)', (context, { self }) => swapped(context, self, -2, -1));
// The conjugate of a real number is the number itself.
defineOp('aten::mH(Tensor(a) self) -> Tensor(a)', (context, { self }) => swapped(context, self, -2, -1));
defineOp('aten::adjoint(Tensor(a) self) -> Tensor(a)', (context, { self }) => swapped(context, self, -2, -1));
