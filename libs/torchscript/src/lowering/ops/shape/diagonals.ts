import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, maxDims, minDims, mulDims, type Dim } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { int } from '../../attributes.ts';
import { copyOf, withContiguity } from '../../copies.ts';
import { opFamily } from '../../define-op.ts';
import { inversePermutation } from './permuting.ts';
import { rangeOf } from '../../dims.ts';
import { positions } from '../../positions.ts';
import { scatterElements } from '../../scatter.ts';

const { ops, defineOp } = opFamily('shape');

/** Operators that read or write diagonals. */
export const diagonals = ops;

/** A diagonal of the matrices in two axes. */
interface Diagonal {
  readonly offset: number;
  readonly first: number;
  readonly second: number;
}

/** The tensor with rows and columns merged into one last axis, and the positions of the diagonal in that axis. */
function mergeMatrixAxes(
  context: LowerContext,
  base: TensorValue,
  { offset, first, second }: Diagonal,
): {
  readonly flat: TensorValue;
  readonly order: number[];
  readonly moved: Dim[];
  readonly places: TensorValue;
  readonly count: Dim;
} {
  const { shape } = base.content;
  const others = rangeOf(shape.length).filter((axis) => axis !== first && axis !== second);
  const order = [...others, first, second];
  const [rows, columns] = [shape[first] ?? 1, shape[second] ?? 1];
  const moved = order.map((axis) => shape[axis] ?? 1);
  const batch = moved.slice(0, -2);
  const flat = context.reshape(context.transpose(base, order), [...batch, mulDims(rows, columns)]);
  const count = maxDims(minDims(addDims(rows, Math.min(0, offset)), addDims(columns, -Math.max(0, offset))), 0);
  const start = offset >= 0 ? offset : mulDims(columns, -offset);
  return { flat, order, moved, places: positions(context, count, { start, step: addDims(columns, 1) }), count };
}

function readDiagonal(context: LowerContext, base: TensorValue, diagonal: Diagonal): TensorValue {
  const { flat, moved, places, count } = mergeMatrixAxes(context, base, diagonal);
  const picked = context.node('Gather', [flat, places], {
    shape: [...moved.slice(0, -2), count],
    attributes: { axis: int(moved.length - 2) },
    adapt: false,
  });
  return withContiguity(picked, false);
}

/** `base` with its diagonal replaced. */
function writeDiagonal(
  context: LowerContext,
  base: TensorValue,
  diagonal: Diagonal,
  updated: TensorValue,
): TensorValue {
  const { flat, order, moved, places } = mergeMatrixAxes(context, base, diagonal);
  const indices = context.expand(places, updated.content.shape);
  const written = scatterElements(context, flat, flat.rank - 1, indices, updated);
  return context.transpose(context.reshape(written, moved), inversePermutation(order));
}

/** A diagonal as a view. Its axis is the last one. */
export function diagonalView(
  context: LowerContext,
  self: TensorValue,
  offset: number,
  dim1: number,
  dim2: number,
): TensorValue {
  const diagonal = { offset, first: context.axis(dim1, self.rank), second: context.axis(dim2, self.rank) };
  return context.view(
    self,
    (base) => readDiagonal(context, base, diagonal),
    (base, updated) => writeDiagonal(context, base, diagonal, updated),
  );
}

/** Matrices with the last axis of `self` on a diagonal and 0 elsewhere. `dim1` and `dim2` are their axes in the result. */
function embedDiagonal(
  context: LowerContext,
  self: TensorValue,
  offset: number,
  dim1: number,
  dim2: number,
): TensorValue {
  const rank = self.rank + 1;
  const diagonal = { offset, first: context.axis(dim1, rank), second: context.axis(dim2, rank) };
  const { shape } = self.content;
  const size = addDims(shape.at(-1) ?? 1, Math.abs(offset));
  const batch = shape.slice(0, -1);
  const full = rangeOf(rank).map((axis) =>
    axis === diagonal.first || axis === diagonal.second ? size : (batch.shift() ?? 1),
  );
  const zeros = context.expand(context.scalar(0n, self.dtype), full);
  return copyOf(writeDiagonal(context, zeros, diagonal, self));
}

defineOp(
  'aten::diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)',
  (context, { self, offset, dim1, dim2 }) => diagonalView(context, self, offset, dim1, dim2),
);
defineOp('aten::diag(Tensor self, int diagonal=0) -> Tensor', (context, { self, diagonal }) =>
  self.rank === 1 ? embedDiagonal(context, self, diagonal, 0, 1) : copyOf(diagonalView(context, self, diagonal, 0, 1)),
);
defineOp(
  'aten::diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor',
  (context, { self, offset, dim1, dim2 }) => embedDiagonal(context, self, offset, dim1, dim2),
);
defineOp('aten::diagflat(Tensor self, int offset=0) -> Tensor', (context, { self, offset }) => {
  const count = self.content.shape.reduce<Dim>(mulDims, 1);
  return embedDiagonal(context, context.reshape(self, [count]), offset, 0, 1);
});
defineOp(
  'aten::diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor',
  (context, { self, src, offset, dim1, dim2 }) => {
    const diagonal = { offset, first: context.axis(dim1, self.rank), second: context.axis(dim2, self.rank) };
    return writeDiagonal(context, self, diagonal, context.cast(src, self.dtype));
  },
);

defineOp(
  'aten::fill_diagonal_(Tensor(a!) self, Scalar fill_value, bool wrap=False) -> Tensor(a!)',
  (context, { self, fill_value, wrap }) => {
    if (self.rank !== 2 || wrap) {
      return context.unsupported(
        'fill_diagonal_() with wrap, or of a tensor that is not a matrix',
        'write to diagonal() instead',
      );
    }
    const diagonal = { offset: 0, first: 0, second: 1 };
    const filling = context.expand(
      context.scalar(fill_value, self.dtype),
      readDiagonal(context, self, diagonal).content.shape,
    );
    const { contiguous } = self.content;
    context.heap.setTensor(self, { ...writeDiagonal(context, self, diagonal, filling).content, contiguous });
    return self;
  },
  { limits: 'only matrices, without wrap' },
);
