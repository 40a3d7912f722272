import type { LowerContext } from '../../../symbolic/lower-context.ts';
import {
  addDims,
  exactQuotient,
  floorDivDims,
  minDims,
  mulDims,
  productOf,
  sameDim,
  subDims,
  SymInt,
  type Dim,
} from '../../../symbolic/sym-int.ts';
import { ListValue, type Column, type PieceReader, type TensorValue, type Value } from '../../../symbolic/values.ts';
import { int } from '../../attributes.ts';
import { binary } from '../../arithmetic.ts';
import { fromFront } from '../../columns.ts';
import { copyOf } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { dimsOf, rangeOf, toDim, toScalar } from '../../dims.ts';
import { grownOf } from '../../grown-items.ts';
import { positions } from '../../positions.ts';
import { ceilDivDims, rangeView, readSelect, selectView, sliceBounds, sliceView } from '../../slicing.ts';
import { viewOf } from './reshaping.ts';

const { ops, defineOp, defineScalarOp } = opFamily('shape');

/** Operators that split a tensor. */
export const splitting = ops;

const FIX_SIZE =
  'fix the axis with --input name:dtype[sizes], or export the model with torch.tensor_split or a fixed number of slices';

/** Splits an axis into consecutive pieces of the given sizes. The pieces are views. */
function pieces(context: LowerContext, self: TensorValue, axis: number, sizes: readonly Dim[]): TensorValue[] {
  const { shape } = self.content;
  const total = sizes.reduce<Dim>(addDims, 0);
  const length = shape[axis] ?? 0;
  if (typeof total === 'number' && typeof length === 'number' && total !== length) {
    return context.unsupported(
      `pieces with a total size of ${total} for an axis of ${length}`,
      'the sizes of the inputs do not match the code of the model',
    );
  }
  context.require(length, total);
  // A reshape to the sum of the sizes makes the run fail if they do not add up, as PyTorch does. It costs nothing.
  const whole = sameDim(total, length) ? self : viewOf(context, self, shape.with(axis, total));
  let start: Dim = 0;
  return sizes.map((size) => {
    const piece = rangeView(context, whole, axis, start, size);
    start = addDims(start, size);
    return piece;
  });
}

/** Splits an axis into pieces of one size. The last piece may be smaller. */
function equalPieces(context: LowerContext, self: TensorValue, axis: number, size: Dim): Value | TensorValue[] {
  const { shape } = self.content;
  const length = shape[axis] ?? 0;
  if (typeof length === 'number' && typeof size === 'number') {
    if (length === 0 || size <= 0) return pieces(context, self, axis, [length]);
    const count = Math.ceil(length / size);
    return pieces(context, self, axis, pieceSizes(length, size, count));
  }
  const count = exactQuotient(length, size);
  if (typeof count === 'number') return pieces(context, self, axis, pieceSizes(length, size, count));
  const known = count ?? ceilDivDims(length, size);
  const column =
    count === undefined
      ? raggedPieces(context, self, axis, () => lastSmaller(context, length, size, known))
      : { data: outermost(context, context.reshape(self, shape.toSpliced(axis, 1, count, size)), axis) };
  return listOfUnknownLength(context, column, {
    count: known,
    item: (index) => {
      const start = mulDims(fromFront(context, index, known), size);
      return rangeView(context, self, axis, start, count === undefined ? minDims(size, subDims(length, start)) : size);
    },
    unpack: (names) => pieces(context, self, axis, pieceSizes(length, size, names)),
  });
}

/** A list of pieces whose number is known only at run time. `column` holds them, if one can. */
function listOfUnknownLength(context: LowerContext, column: Column | undefined, pieces: PieceReader): ListValue {
  const list = new ListValue([], column && { form: { kind: 'tensor' }, columns: [column] });
  list.pieces = pieces;
  if (column === undefined) {
    list.appendOnly = () =>
      context.unsupported('a list of pieces of a free axis that have different sizes, used as a whole', FIX_SIZE);
  }
  return list;
}

/** Consecutive pieces of axis 0 as a column. Pieces of another axis do not follow each other in memory. */
function raggedPieces(
  context: LowerContext,
  self: TensorValue,
  axis: number,
  sizes: () => TensorValue,
): Column | undefined {
  if (axis !== 0) return undefined;
  const [, ...rest] = self.content.shape;
  const lengths = sizes();
  const count = lengths.content.shape[0] ?? 0;
  const shapes = [
    context.reshape(lengths, [count, 1]),
    context.expand(context.reshape(context.ints(rest), [1, rest.length]), [count, rest.length]),
  ];
  return {
    data: context.reshape(self, [productOf(self.content.shape)]),
    sizes:
      rest.length === 0
        ? context.reshape(lengths, [count, 1])
        : context.node('Concat', shapes, { shape: [count, rest.length + 1], attributes: { axis: int(1) } }),
  };
}

/** The sizes of pieces of one size, of which the last may be smaller. */
function lastSmaller(context: LowerContext, length: Dim, size: Dim, count: Dim): TensorValue {
  const scalar = (dim: Dim): TensorValue => context.scalar(toScalar(dim), 'int64');
  const begins = binary(context, 'Mul', positions(context, count), scalar(size));
  return binary(context, 'Min', binary(context, 'Sub', scalar(length), begins), scalar(size));
}

/** Splits an axis into pieces whose sizes are in a list of unknown length. */
function piecesOfList(context: LowerContext, self: TensorValue, axis: number, list: ListValue): ListValue {
  const [column] = grownOf(context, list).columns;
  const sizes = column?.data ?? context.ints([]);
  const count = sizes.content.shape[0] ?? 0;
  const begins = context.node('CumSum', [sizes, context.scalar(0n, 'int64')], { attributes: { exclusive: int(1) } });
  const sizeAt = (from: TensorValue, index: Dim): Dim => toDim(context.item(readSelect(context, from, 0, index))) ?? 0;
  const item = (index: Dim): TensorValue => rangeView(context, self, axis, sizeAt(begins, index), sizeAt(sizes, index));
  return listOfUnknownLength(
    context,
    raggedPieces(context, self, axis, () => sizes),
    { count, item, unpack: (names) => rangeOf(names).map(item) },
  );
}

/** `count` sizes that add up to `length`. All except the last are `size`. */
function pieceSizes(length: Dim, size: Dim, count: number): Dim[] {
  return rangeOf(count).map((i) => (i < count - 1 ? size : subDims(length, mulDims(size, count - 1))));
}

/** Moves an axis to the front. */
function outermost(context: LowerContext, tensor: TensorValue, axis: number): TensorValue {
  return context.transpose(tensor, [axis, ...rangeOf(tensor.rank).filter((i) => i !== axis)]);
}

/** `torch.chunk`: at most `chunks` pieces of one size. The last one may be smaller. */
function chunked(context: LowerContext, self: TensorValue, chunks: number, dim: number): Value | TensorValue[] {
  const axis = context.axis(dim, self.rank);
  const length = self.content.shape[axis] ?? 0;
  if (typeof length === 'number' && length > 0) return equalPieces(context, self, axis, Math.ceil(length / chunks));
  const size = exactQuotient(length, chunks) ?? ceilDivDims(length, chunks);
  if (length instanceof SymInt && exactQuotient(length, chunks) === undefined) {
    context.warn(`chunk() of a free axis always gives ${chunks} chunks: PyTorch gives fewer for small inputs`);
  }
  return pieces(context, self, axis, pieceSizes(length, size, chunks));
}

/** `torch.tensor_split` into `count` pieces. If the axis is not divisible, the first pieces are larger by one. */
function equalSections(context: LowerContext, self: TensorValue, count: number, dim: number): TensorValue[] {
  const axis = context.axis(dim, self.rank);
  const length = self.content.shape[axis] ?? 0;
  const sizes = rangeOf(count).map((i) => floorDivDims(addDims(length, count - 1 - i), count));
  let start: Dim = 0;
  return sizes.map((size) => {
    const piece = rangeView(context, self, axis, start, size);
    start = addDims(start, size);
    return piece;
  });
}

/** `torch.tensor_split` at the given positions. */
function splitAt(context: LowerContext, self: TensorValue, places: readonly Dim[], dim: number): TensorValue[] {
  const axis = context.axis(dim, self.rank);
  const starts: readonly (Dim | null)[] = [null, ...places];
  return starts.map((start, i) => sliceView(context, self, sliceBounds(axis, start, places[i] ?? null)));
}

defineOp(
  'aten::split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]',
  (context, { self, split_size, dim }) => equalPieces(context, self, context.axis(dim, self.rank), split_size),
  { limits: 'a free axis only if the pieces have one size or the code unpacks them' },
);
defineOp(
  'aten::split.sizes(Tensor(a -> *) self, SymInt[] split_size, int dim=0) -> Tensor(a)[]',
  (context, { self, split_size, dim }) => pieces(context, self, context.axis(dim, self.rank), split_size),
);
defineOp(
  'aten::unsafe_split.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]',
  (context, { self, split_size, dim }) => equalPieces(context, self, context.axis(dim, self.rank), split_size),
  { limits: 'a free axis only if the pieces have one size or the code unpacks them' },
);
defineOp(
  'aten::split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]',
  (context, { self, split_sizes, dim }) => pieces(context, self, context.axis(dim, self.rank), split_sizes),
);
defineOp(
  'aten::unsafe_split_with_sizes(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]',
  (context, { self, split_sizes, dim }) => pieces(context, self, context.axis(dim, self.rank), split_sizes),
);
// After the overloads for lists of known sizes, because it takes every list.
for (const name of ['split.unknown', 'split_with_sizes.unknown', 'unsafe_split_with_sizes.unknown'] as const) {
  defineScalarOp(
    `aten::${name}(Tensor(a -> *) self, List(t) split_size, int dim=0) -> Tensor(a)[]`,
    (context, { self, split_size, dim }) => {
      const tensor = self as TensorValue;
      return piecesOfList(context, tensor, context.axis(Number(dim), tensor.rank), split_size as ListValue);
    },
  );
}
defineOp('aten::chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]', (context, { self, chunks, dim }) =>
  chunked(context, self, chunks, dim),
);
defineOp('aten::unsafe_chunk(Tensor self, int chunks, int dim=0) -> Tensor[]', (context, { self, chunks, dim }) =>
  chunked(context, self, chunks, dim),
);

defineOp(
  'aten::tensor_split.sections(Tensor(a -> *) self, int sections, int dim=0) -> Tensor(a)[]',
  (context, { self, sections: count, dim }) => equalSections(context, self, count, dim),
);
defineOp(
  'aten::tensor_split.indices(Tensor(a -> *) self, SymInt[] indices, int dim=0) -> Tensor(a)[]',
  (context, { self, indices, dim }) => splitAt(context, self, indices, dim),
);
defineOp(
  'aten::tensor_split.tensor_indices_or_sections(Tensor(a -> *) self, Tensor tensor_indices_or_sections, int dim=0) -> Tensor(a)[]',
  (context, { self, tensor_indices_or_sections: places, dim }) => {
    const known = dimsOf(context, places);
    if (known === undefined)
      return context.unsupported('tensor_split() at positions that depend on the input', FIX_SIZE);
    const [count] = known;
    return places.rank === 0 && typeof count === 'number'
      ? equalSections(context, self, count, dim)
      : splitAt(context, self, known, dim);
  },
  { limits: 'positions that depend on the input are refused' },
);

for (const [name, axisOf] of [
  ['hsplit', (rank: number): number => (rank === 1 ? 0 : 1)],
  ['vsplit', (): number => 0],
  ['dsplit', (): number => 2],
] as const) {
  defineOp(
    `aten::${name}.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]`,
    (context, { self, sections: count }) => equalSections(context, self, count, axisOf(self.rank)),
  );
  defineOp(`aten::${name}.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]`, (context, { self, indices }) =>
    splitAt(context, self, indices, axisOf(self.rank)),
  );
}

defineOp('aten::unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]', (context, { self, dim }) => {
  const axis = context.axis(dim, self.rank);
  const length = self.content.shape[axis] ?? 0;
  const items = (count: number): TensorValue[] => rangeOf(count).map((index) => selectView(context, self, axis, index));
  if (typeof length === 'number') return items(length);
  return listOfUnknownLength(
    context,
    { data: outermost(context, self, axis) },
    {
      count: length,
      item: (index) => selectView(context, self, axis, index),
      unpack: (names) => {
        context.require(length, names);
        return items(names);
      },
    },
  );
});

defineOp(
  'aten::narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)',
  (context, { self, dim, start, length }) => narrowed(context, self, dim, start, length),
);
defineOp(
  'aten::narrow_copy(Tensor self, int dim, SymInt start, SymInt length) -> Tensor',
  (context, { self, dim, start, length }) => copyOf(narrowed(context, self, dim, start, length)),
);
defineOp(
  'aten::narrow.Tensor(Tensor(a) self, int dim, Tensor start, SymInt length) -> Tensor(a)',
  (context, { self, dim, start, length }) => {
    const from = context.item(start);
    const place: Dim | undefined = from instanceof SymInt ? from : typeof from === 'bigint' ? Number(from) : undefined;
    if (place === undefined)
      return context.unsupported('narrow() with a start that is not an integer', 'give start as an integer');
    return narrowed(context, self, dim, place, length);
  },
);

function narrowed(context: LowerContext, self: TensorValue, dim: number, start: Dim, length: Dim): TensorValue {
  const axis = context.axis(dim, self.rank);
  const from = typeof start === 'number' && start < 0 ? addDims(self.content.shape[axis] ?? 0, start) : start;
  return rangeView(context, self, axis, from, length);
}
