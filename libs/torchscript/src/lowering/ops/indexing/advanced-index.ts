import type { LowerContext } from '../../../symbolic/lower-context.ts';
import type { Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { int } from '../../attributes.ts';
import { broadcastShapes } from '../../broadcast.ts';
import { dimsOf, rangeOf } from '../../dims.ts';
import { binary, choose } from '../../arithmetic.ts';
import { scatterSlices } from '../../scatter.ts';
import { inversePermutation } from '../shape/permuting.ts';
import { maskedRows, nonzeroVectors } from './mask.ts';

/** Indices of `x[…]` as PyTorch passes them. Null means `:`. */
export type Indices = readonly (TensorValue | null)[];

/** Indices as integer tensors, one for each indexed axis. */
interface IntegerIndex {
  readonly axes: readonly number[];
  readonly tensors: readonly TensorValue[];
  /** True if a `:` is between the indices. Then the axes of the indices come first in the result. */
  readonly apart: boolean;
}

const isMask = (index: TensorValue): boolean => index.dtype === 'bool' || index.dtype === 'uint8';

/** Converts indices to integer tensors: a mask becomes the positions of its true elements, for each axis that it covers. */
function integerIndex(context: LowerContext, self: TensorValue, indices: Indices): IntegerIndex {
  const axes: number[] = [];
  const tensors: TensorValue[] = [];
  let axis = 0;
  for (const index of indices) {
    if (index === null) {
      axis++;
      continue;
    }
    if (isMask(index) && index.rank === 0) {
      return context.unsupported('an index that is a single bool', 'use a mask of the tensor’s shape, or torch.where');
    }
    for (const part of isMask(index) ? nonzeroVectors(context, index) : [context.cast(index, 'int64')]) {
      axes.push(axis++);
      tensors.push(part);
    }
  }
  if (axis > self.rank)
    return context.unsupported(`${axis} indices of a tensor of rank ${self.rank}`, 'check the ranks of the inputs');
  return { axes, tensors, apart: axes.some((at, i) => i > 0 && at !== (axes[i - 1] ?? 0) + 1) };
}

/** The index tensor, if there is exactly one. */
function onlyIndex(indices: Indices): { readonly axis: number; readonly index: TensorValue } | undefined {
  const axis = indices.findIndex((index) => index !== null);
  const index = indices[axis];
  return index !== undefined &&
    index !== null &&
    indices.indexOf(index) === axis &&
    indices.filter((i) => i !== null).length === 1
    ? { axis, index }
    : undefined;
}

/** The permutation that brings the indexed axes to the front. */
function indexedFirst(rank: number, axes: readonly number[]): number[] {
  return [...axes, ...rangeOf(rank).filter((axis) => !axes.includes(axis))];
}

/** The positions that index tensors give, as one tensor: `[...shape, tensors.length]`. */
function joinedPositions(context: LowerContext, tensors: readonly TensorValue[], shape: readonly Dim[]): TensorValue {
  const wide = tensors.map((tensor) => context.reshape(context.expand(tensor, shape), [...shape, 1]));
  const [only] = wide;
  if (wide.length === 1 && only !== undefined) return only;
  return context.node('Concat', wide, {
    dtype: 'int64',
    shape: [...shape, tensors.length],
    attributes: { axis: int(shape.length) },
    adapt: false,
  });
}

/** The permutation from [indexed shape, other axes] to PyTorch's order of axes, and its inverse. */
function resultOrder(
  index: IntegerIndex,
  indexedRank: number,
  rank: number,
): { readonly to: number[]; readonly back: number[] } {
  const others = rank - index.axes.length;
  const before = index.apart ? 0 : (index.axes[0] ?? 0);
  const to = [
    ...rangeOf(before).map((i) => indexedRank + i),
    ...rangeOf(indexedRank),
    ...rangeOf(others - before).map((i) => indexedRank + before + i),
  ];
  return { to, back: inversePermutation(to) };
}

/** `self[indices]`. */
export function readIndex(context: LowerContext, self: TensorValue, indices: Indices): TensorValue {
  const only = onlyIndex(indices);
  if (only !== undefined && isMask(only.index) && only.index.rank > 0) {
    return maskedRows(context, self, context.cast(only.index, 'bool'), only.axis);
  }
  const index = integerIndex(context, self, indices);
  const { shape } = self.content;
  const [first] = index.tensors;
  const [axis = 0] = index.axes;
  if (first === undefined) return self;
  if (index.tensors.length === 1) return pick(context, self, axis, first);
  const indexed = broadcastShapes(context, ...index.tensors.map((tensor) => tensor.content.shape));
  const order = indexedFirst(self.rank, index.axes);
  const others = order.slice(index.axes.length).map((at) => shape[at] ?? 1);
  const picked = context.node(
    'GatherND',
    [context.transpose(self, order), joinedPositions(context, index.tensors, indexed)],
    { shape: [...indexed, ...others], adapt: false },
  );
  return context.transpose(picked, resultOrder(index, indexed.length, self.rank).to);
}

/** The elements at the positions `places` (any rank) of an axis. Known elements stay known. */
export function pick(context: LowerContext, self: TensorValue, axis: number, places: TensorValue): TensorValue {
  const { shape, dtype } = self.content;
  const elements = shape.length === 1 ? context.elementsOf(self) : undefined;
  const known = elements === undefined ? undefined : dimsOf(context, places);
  if (elements !== undefined && known !== undefined) {
    const picked = known.map((place) => (typeof place === 'number' ? elements.at(place) : undefined));
    if (picked.every((element) => element !== undefined)) {
      return context.elements(picked, dtype, places.content.shape as number[]);
    }
  }
  return context.node('Gather', [self, places], {
    shape: shape.toSpliced(axis, 1, ...places.content.shape),
    attributes: { axis: int(axis) },
    adapt: false,
  });
}

/** `self` after `self[indices] = values`, or after `+= values`, in which values at the same position are added up. */
export function writeIndex(
  context: LowerContext,
  self: TensorValue,
  indices: Indices,
  values: TensorValue,
  accumulate: boolean,
): TensorValue {
  const cast = context.cast(values, self.dtype);
  const only = onlyIndex(indices);
  if (only !== undefined && isMask(only.index) && only.index.rank > 0) {
    const filled = fillMasked(context, self, context.cast(only.index, 'bool'), only.axis, cast, accumulate);
    if (filled !== undefined) return filled;
  }
  const index = integerIndex(context, self, indices);
  if (index.tensors.length === 0) {
    const full = context.expand(cast, self.content.shape);
    return accumulate ? binary(context, 'Add', self, full) : full;
  }
  const { shape } = self.content;
  const indexed = broadcastShapes(context, ...index.tensors.map((tensor) => tensor.content.shape));
  const order = indexedFirst(self.rank, index.axes);
  const others = order.slice(index.axes.length).map((at) => shape[at] ?? 1);
  const { to, back } = resultOrder(index, indexed.length, self.rank);
  const front = [...indexed, ...others];
  const landed = context.expand(
    cast,
    to.map((at) => front[at] ?? 1),
  );
  const written = scatterSlices(
    context,
    context.transpose(self, order),
    joinedPositions(context, index.tensors, indexed),
    context.transpose(landed, back),
    accumulate ? 'add' : 'none',
  );
  const inverse = rangeOf(order.length).map((at) => order.indexOf(at));
  return context.transpose(written, inverse);
}

/** Writes values that are the same at every position of a mask. Undefined if the values differ between positions. */
function fillMasked(
  context: LowerContext,
  self: TensorValue,
  mask: TensorValue,
  axis: number,
  values: TensorValue,
  accumulate: boolean,
): TensorValue | undefined {
  const behind = self.rank - axis - mask.rank;
  // The axis of `values` for the positions of the mask, counted from the front.
  const places = values.rank - behind - 1;
  if (places >= 0 && values.content.shape[places] !== 1) return undefined;
  const shape =
    places < 0
      ? values.content.shape
      : values.content.shape.toSpliced(places, 1, ...mask.content.shape.map((): Dim => 1));
  const spread = context.reshape(values, shape);
  const wideMask = context.reshape(mask, [...mask.content.shape, ...rangeOf(behind).map((): Dim => 1)]);
  const filling = accumulate ? binary(context, 'Add', self, spread) : spread;
  const result = choose(context, wideMask, filling, self);
  return context.expand(result, self.content.shape);
}
