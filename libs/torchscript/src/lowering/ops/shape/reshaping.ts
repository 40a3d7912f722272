import type { LowerContext } from '../../../symbolic/lower-context.ts';
import {
  exactQuotient,
  floorDivDims,
  isEqual,
  minimumOf,
  productOf,
  SymInt,
  withElements,
  type Dim,
} from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { withContiguity } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { sameShape } from '../../dims.ts';

const { ops, defineOp } = opFamily('shape');

/** Operators that change the axes of a tensor and keep the order of its elements. */
export const reshaping = ops;

/** A view of the tensor with another shape. */
export function viewOf(context: LowerContext, self: TensorValue, shape: readonly Dim[]): TensorValue {
  return context.view(
    self,
    (base) => withContiguity(context.reshape(base, shape), base.content.contiguous),
    (base, updated) => context.reshape(updated, base.content.shape),
  );
}

/** The tensor with another shape: a view if it is contiguous, otherwise a copy. */
export function reshapeOf(context: LowerContext, self: TensorValue, shape: readonly Dim[]): TensorValue {
  if (self.content.contiguous || sameShape(self.content.shape, shape)) return viewOf(context, self, shape);
  return withContiguity(context.reshape(self, shape), true);
}

/** Replaces -1 by the size with which the shape has `count` elements. */
export function inferSizes(context: LowerContext, count: Dim, sizes: readonly Dim[]): Dim[] {
  const known = productOf(sizes.filter((size) => size !== -1));
  const open = sizes.filter((size) => size === -1).length;
  const text = `[${sizes.map(sizeText).join(', ')}]`;
  if (open > 1) return context.unsupported(`the shape ${text}`, 'only one size may be -1');
  const misfit = (): never =>
    context.unsupported(
      `${String(count)} elements in the shape ${text}`,
      'the sizes of the inputs do not match the code of the model',
    );
  if (typeof count === 'number' && typeof known === 'number') {
    if (open === 0 ? count !== known : known === 0 || count % known !== 0) return misfit();
  }
  if (open === 0) {
    context.require(count, known);
    return [...sizes];
  }
  if (known === 0) return misfit();
  const inferred = exactQuotient(count, known) ?? floorDivDims(count, known);
  return sizes.map((size) => (size === -1 ? inferred : size));
}

const sizeText = (size: Dim): string => (size instanceof SymInt ? '?' : String(size));

const numelOf = (self: TensorValue): Dim => productOf(self.content.shape);

/** The shape with the axes `start` to `end` merged into one. */
function flattened(shape: readonly Dim[], start: number, end: number): Dim[] {
  if (shape.length === 0) return [1];
  return [...shape.slice(0, start), productOf(shape.slice(start, end + 1)), ...shape.slice(end + 1)];
}

/**
 * Tells whether squeeze() removes the axis. For a free axis this is not known. A free axis that the operator names (`named`)
 * is assumed to have size 1, which then is part of the signature. Axis 0 of an input is not, because it may be the batch axis.
 */
function isSqueezed(context: LowerContext, dim: Dim, named: boolean): boolean {
  const size = context.resolve(dim);
  // `x[:, -1:]` has one element, unless `x` is empty.
  if (isEqual(withElements(size), 1) === true) return true;
  if (typeof size === 'number') return false;
  if (named && !isBatch(size) && context.require(size, 1)) return true;
  if (minimumOf(size) < 2)
    context.warn('squeeze() keeps free axes: if the size of such an axis is 1, fix it with --input name:dtype[sizes]');
  return false;
}

/** True if the size is that of axis 0 of an input. */
function isBatch(size: SymInt): boolean {
  const definition = size.terms[0]?.atoms[0]?.definition;
  return size.terms.length === 1 && definition?.kind === 'size' && definition.axis === 0;
}

defineOp('aten::view(Tensor(a) self, SymInt[] size) -> Tensor(a)', (context, { self, size }) =>
  viewOf(context, self, inferSizes(context, numelOf(self), size)),
);

defineOp(
  'aten::view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)',
  (context, { self, dtype }) =>
    self.dtype === dtype
      ? viewOf(context, self, self.content.shape)
      : context.unsupported(`reading the bytes of ${self.dtype} as ${dtype}`, 'use to(dtype) to convert numbers'),
  { limits: 'another dtype than that of the tensor is refused' },
);

defineOp('aten::_unsafe_view(Tensor self, SymInt[] size) -> Tensor', (context, { self, size }) =>
  viewOf(context, self, inferSizes(context, numelOf(self), size)),
);

defineOp(
  'aten::_reshape_alias(Tensor(a) self, SymInt[] size, SymInt[] stride) -> Tensor(a)',
  (context, { self, size }) => viewOf(context, self, inferSizes(context, numelOf(self), size)),
);

defineOp('aten::reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)', (context, { self, shape }) =>
  reshapeOf(context, self, inferSizes(context, numelOf(self), shape)),
);

defineOp('aten::view_as(Tensor(a) self, Tensor other) -> Tensor(a)', (context, { self, other }) =>
  viewOf(context, self, inferSizes(context, numelOf(self), other.content.shape)),
);

defineOp('aten::reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)', (context, { self, other }) =>
  reshapeOf(context, self, inferSizes(context, numelOf(self), other.content.shape)),
);

defineOp(
  'aten::flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)',
  (context, { self, start_dim, end_dim }) => {
    const [start, end] = [context.axis(start_dim, self.rank), context.axis(end_dim, self.rank)];
    if (start > end) return context.unsupported('flatten() with start_dim after end_dim', 'PyTorch fails here too');
    return start === end && self.rank > 0 ? self : reshapeOf(context, self, flattened(self.content.shape, start, end));
  },
);

defineOp('aten::ravel(Tensor(a) self) -> Tensor(a)', (context, { self }) =>
  self.rank === 1 ? self : reshapeOf(context, self, [numelOf(self)]),
);

defineOp(
  'aten::unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)',
  (context, { self, dim, sizes }) => {
    const axis = context.axis(dim, self.rank);
    const { shape } = self.content;
    const parts = inferSizes(context, shape[axis] ?? 1, sizes);
    return viewOf(context, self, shape.toSpliced(axis, 1, ...parts));
  },
);

defineOp('aten::squeeze(Tensor(a) self) -> Tensor(a)', (context, { self }) => squeezed(context, self, null));

defineOp('aten::squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)', (context, { self, dim }) =>
  squeezed(context, self, [dim]),
);

defineOp('aten::squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)', (context, { self, dim }) =>
  squeezed(context, self, dim),
);

/** Removes the axes of size 1 that are in `dims`. Null means all axes. */
export function squeezed(context: LowerContext, self: TensorValue, dims: readonly number[] | null): TensorValue {
  const axes = dims?.map((dim) => context.axis(dim, self.rank));
  const keeps = (dim: Dim, axis: number): boolean =>
    axes?.includes(axis) === false || !isSqueezed(context, dim, axes !== undefined);
  return viewOf(context, self, self.content.shape.filter(keeps));
}

/** Inserts an axis of size 1. */
export function unsqueezed(context: LowerContext, self: TensorValue, dim: number): TensorValue {
  return viewOf(context, self, self.content.shape.toSpliced(context.axis(dim, self.rank + 1), 0, 1));
}

defineOp('aten::unsqueeze(Tensor(a) self, int dim) -> Tensor(a)', (context, { self, dim }) =>
  unsqueezed(context, self, dim),
);

/** The tensor with at least `rank` axes, which are added as numpy does. */
export function atLeast(context: LowerContext, self: TensorValue, rank: 1 | 2 | 3): TensorValue {
  const { shape } = self.content;
  if (shape.length >= rank) return self;
  const [first = 1, second = 1] = shape;
  if (rank === 1) return viewOf(context, self, [1]);
  if (rank === 2) return viewOf(context, self, [1, first]);
  return viewOf(context, self, shape.length === 2 ? [first, second, 1] : [1, first, 1]);
}

defineOp('aten::atleast_1d(Tensor self) -> Tensor', (context, { self }) => atLeast(context, self, 1));
defineOp('aten::atleast_2d(Tensor self) -> Tensor', (context, { self }) => atLeast(context, self, 2));
defineOp('aten::atleast_3d(Tensor self) -> Tensor', (context, { self }) => atLeast(context, self, 3));
defineOp('aten::atleast_1d.Sequence(Tensor[] tensors) -> Tensor[]', (context, { tensors }) =>
  tensors.map((tensor) => atLeast(context, tensor, 1)),
);
defineOp('aten::atleast_2d.Sequence(Tensor[] tensors) -> Tensor[]', (context, { tensors }) =>
  tensors.map((tensor) => atLeast(context, tensor, 2)),
);
defineOp('aten::atleast_3d.Sequence(Tensor[] tensors) -> Tensor[]', (context, { tensors }) =>
  tensors.map((tensor) => atLeast(context, tensor, 3)),
);
