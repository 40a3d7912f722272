import type { LowerContext } from '../../../symbolic/lower-context.ts';
import {
  addDims,
  exactQuotient,
  floorDivDims,
  isLess,
  minimumOf,
  modDims,
  mulDims,
  productOf,
  sameDim,
  subDims,
  type Dim,
} from '../../../symbolic/sym-int.ts';
import { type TensorValue } from '../../../symbolic/values.ts';
import { int } from '../../attributes.ts';
import { binary, compare } from '../../arithmetic.ts';
import { copyOf, withContiguity } from '../../copies.ts';
import { runningSum, segmentNumbers } from '../../counting.ts';
import { opFamily } from '../../define-op.ts';
import { dimsOf, rangeOf, toDim, toScalar } from '../../dims.ts';
import { positions } from '../../positions.ts';
import { meshgrid } from './expanding.ts';
import { stacked } from './joining.ts';

const { ops, defineOp } = opFamily('shape');

/** Operators that reorder elements or select them by a fixed pattern. */
export const rearranging = ops;

/** An end of a slice with a negative step that is before the start of every axis. */
const TO_THE_START = Number.MIN_SAFE_INTEGER;

defineOp('aten::roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor', (context, { self, shifts, dims }) => {
  if (dims.length > 0) {
    return copyOf(
      dims.reduce((tensor, dim, i) => rolled(context, tensor, context.axis(dim, self.rank), shifts[i] ?? 0), self),
    );
  }
  const flat = context.reshape(self, [productOf(self.content.shape)]);
  return copyOf(context.reshape(rolled(context, flat, 0, shifts[0] ?? 0), self.content.shape));
});

/** Rotates the elements of an axis to the right by `shift`. */
function rolled(context: LowerContext, self: TensorValue, axis: number, shift: Dim): TensorValue {
  const length = self.content.shape[axis] ?? 1;
  const cut = rotationStart(shift, length);
  if (cut === 0 || sameDim(cut, length)) return self;
  const rest = subDims(length, cut);
  const parts = [
    context.slice(self, axis, cut, Number.MAX_SAFE_INTEGER, 1, rest),
    context.slice(self, axis, 0, cut, 1, cut),
  ];
  return context.node('Concat', parts, { shape: self.content.shape, attributes: { axis: int(axis) }, adapt: false });
}

/** The position of the element that becomes the first one. */
function rotationStart(shift: Dim, length: Dim): Dim {
  if (minimumOf(shift) >= 0 && isLess(shift, length) === true) return subDims(length, shift);
  const left = mulDims(shift, -1);
  if (minimumOf(left) >= 0 && isLess(left, length) === true) return left;
  return modDims(left, length);
}

/** Reverses axes. */
function flipped(context: LowerContext, self: TensorValue, dims: readonly number[]): TensorValue {
  const axes = dims.map((dim) => context.axis(dim, self.rank)).filter((axis) => axis < self.rank);
  if (axes.length === 0) return copyOf(self);
  const all = (value: number): TensorValue => context.ints(axes.map(() => value));
  return context.node('Slice', [self, all(-1), all(TO_THE_START), context.ints(axes), all(-1)], { adapt: false });
}

defineOp('aten::flip(Tensor self, int[] dims) -> Tensor', (context, { self, dims }) => flipped(context, self, dims));
defineOp('aten::fliplr(Tensor self) -> Tensor', (context, { self }) => flipped(context, self, [1]));
defineOp('aten::flipud(Tensor self) -> Tensor', (context, { self }) => flipped(context, self, [0]));

defineOp('aten::rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor', (context, { self, k, dims }) => {
  const [first = 0, second = 1] = dims.map((dim) => context.axis(dim, self.rank));
  const turns = ((k % 4) + 4) % 4;
  if (turns === 0) return copyOf(self);
  if (turns === 2) return flipped(context, self, [first, second]);
  const order = rangeOf(self.rank).map((axis) => (axis === first ? second : axis === second ? first : axis));
  return copyOf(context.transpose(flipped(context, self, [turns === 1 ? second : first]), order));
});

for (const name of ['unfold', 'unfold_copy'] as const) {
  defineOp(
    `aten::${name}(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)`,
    (context, { self, dimension, size, step }) =>
      context.view(
        self,
        (base) => windows(context, base, context.axis(dimension, base.rank), size, step),
        () => context.unsupported('an in-place change of the result of unfold()', 'call clone() on it first'),
      ),
    { limits: 'the result cannot be changed in place' },
  );
}

/** The windows of an axis. The axis within the window is the last one. */
function windows(context: LowerContext, base: TensorValue, axis: number, size: number, step: number): TensorValue {
  const { shape, contiguous } = base.content;
  if (shape.length === 0) return context.reshape(base, [size]);
  const length = shape[axis] ?? 1;
  const count = addDims(floorDivDims(subDims(length, size), step), 1);
  if (typeof count === 'number' && count <= 0) {
    return context.unsupported(`unfold() of ${String(length)} elements into windows of ${size}`, 'give a larger input');
  }
  const whole = exactQuotient(length, size);
  const shapeApart = shape.toSpliced(axis, 1, count, size);
  const order = [...rangeOf(shape.length + 1).filter((i) => i !== axis + 1), axis + 1];
  const apart =
    step === size && whole !== undefined
      ? context.reshape(base, shapeApart)
      : context.node('Gather', [base, windowPositions(context, count, size, step)], {
          shape: shapeApart,
          attributes: { axis: int(axis) },
          adapt: false,
        });
  const moved = context.transpose(apart, order);
  return withContiguity(moved, contiguous && step === size && axis === shape.length - 1);
}

/** `[count, size]`: the positions of the elements of each window. */
function windowPositions(context: LowerContext, count: Dim, size: number, step: number): TensorValue {
  const starts = positions(context, count, { step, axis: 0, rank: 2 });
  return binary(context, 'Add', starts, positions(context, size, { axis: 1, rank: 2 }));
}

defineOp(
  'aten::as_strided(Tensor(a) self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor(a)',
  (context, { self, size, stride, storage_offset }) => {
    if (!self.content.contiguous) {
      return context.unsupported(
        'as_strided() of a tensor that is not contiguous',
        'call contiguous() first, or use other views',
      );
    }
    return context.view(
      self,
      (base) => {
        const offset = context.scalar(toScalar(storage_offset ?? 0), 'int64');
        const places = size.reduce<TensorValue>(
          (sum, count, axis) =>
            binary(
              context,
              'Add',
              sum,
              positions(context, count, { step: stride[axis] ?? 1, axis, rank: size.length }),
            ),
          offset,
        );
        const flat = context.reshape(base, [productOf(base.content.shape)]);
        const picked = context.node('Gather', [flat, places], {
          shape: size,
          attributes: { axis: int(0) },
          adapt: false,
        });
        return withContiguity(picked, false);
      },
      () => context.unsupported('an in-place change of the result of as_strided()', 'call clone() on it first'),
    );
  },
  { limits: 'only contiguous tensors; the result cannot be changed in place' },
);

defineOp(
  'aten::repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor',
  (context, { self, repeats, dim }) => {
    const [base, axis] = alongAxis(context, self, dim);
    return repeatEach(context, base, axis, repeats);
  },
);
defineOp(
  'aten::repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor',
  (context, { self, repeats, dim, output_size }) => {
    const [base, axis] = alongAxis(context, self, dim);
    const known = dimsOf(context, repeats);
    if (known?.length === 1 && known[0] !== undefined) return repeatEach(context, base, axis, known[0]);
    const counts = context.expand(context.cast(repeats, 'int64'), [base.content.shape[axis] ?? 1]);
    const numbers = repeatedNumbers(context, counts, output_size);
    const shape = base.content.shape.with(axis, numbers.content.shape[0] ?? 1);
    return context.node('Gather', [base, numbers], { shape, attributes: { axis: int(axis) }, adapt: false });
  },
);
defineOp(
  'aten::repeat_interleave.Tensor(Tensor repeats, *, SymInt? output_size=None) -> Tensor',
  (context, { repeats, output_size }) =>
    context.cast(repeatedNumbers(context, context.cast(repeats, 'int64'), output_size), repeats.dtype),
);

/** Tensor and axis of an operator with an optional `dim`. Without `dim` the tensor is flattened. */
function alongAxis(context: LowerContext, self: TensorValue, dim: number | null): [TensorValue, number] {
  if (dim !== null && self.rank > 0) return [self, context.axis(dim, self.rank)];
  return [context.reshape(self, [productOf(self.content.shape)]), 0];
}

function repeatEach(context: LowerContext, self: TensorValue, axis: number, count: Dim): TensorValue {
  const { shape } = self.content;
  if (count === 1) return copyOf(self);
  const wide = context.reshape(self, shape.toSpliced(axis + 1, 0, 1));
  const repeatedShape = shape.toSpliced(axis + 1, 0, count);
  return context.reshape(context.expand(wide, repeatedShape), shape.with(axis, mulDims(shape[axis] ?? 1, count)));
}

/** A vector with `counts[0]` times 0, `counts[1]` times 1, … */
function repeatedNumbers(context: LowerContext, counts: TensorValue, size: Dim | null): TensorValue {
  const known = dimsOf(context, counts);
  const sum = (): Dim => {
    if (known !== undefined) return known.reduce<Dim>(addDims, 0);
    const total = context.node('ReduceSum', [counts, context.ints([0])], {
      shape: [],
      attributes: { keepdims: int(0) },
    });
    return toDim(context.item(total)) ?? 0;
  };
  const total = size ?? sum();
  return segmentNumbers(context, runningSum(context, counts, 0), total);
}

for (const [name, upper] of [
  ['triu', 1],
  ['tril', 0],
] as const) {
  defineOp(`aten::${name}(Tensor self, SymInt diagonal=0) -> Tensor`, (context, { self, diagonal }) =>
    context.node('Trilu', [self, context.scalar(toScalar(diagonal), 'int64')], { attributes: { upper: int(upper) } }),
  );
}

defineOp('aten::one_hot(Tensor self, int num_classes=-1) -> Tensor', (context, { self, num_classes }) => {
  const { shape } = self.content;
  const classes = num_classes >= 0 ? num_classes : classCount(context, self);
  const wide = context.reshape(context.cast(self, 'int64'), [...shape, 1]);
  const hits = compare(context, 'Equal', wide, positions(context, classes));
  return context.cast(hits, 'int64');
});

/** The number of classes: one more than the largest element. */
function classCount(context: LowerContext, self: TensorValue): Dim {
  const flat = context.reshape(context.cast(self, 'int64'), [productOf(self.content.shape)]);
  const largest = context.node('ReduceMax', [flat, context.ints([0])], { shape: [], attributes: { keepdims: int(0) } });
  return addDims(toDim(context.item(largest)) ?? 0, 1);
}

defineOp('aten::cartesian_prod(Tensor[] tensors) -> Tensor', (context, { tensors }) => {
  const [only] = tensors;
  if (tensors.length === 1 && only !== undefined) return only;
  const grids = meshgrid(context, tensors, 'ij');
  const size = productOf(grids[0]?.content.shape ?? []);
  return stacked(
    context,
    grids.map((grid) => context.reshape(grid, [size])),
    1,
  );
});

const MAX_COMBINATIONS = 65_536;

defineOp(
  'aten::combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor',
  (context, { self, r, with_replacement }) => {
    const count = self.content.shape[0] ?? 0;
    if (typeof count !== 'number')
      return context.unsupported(
        'combinations() of a vector of free size',
        'fix its size with --input name:dtype[size]',
      );
    let chosen: number[][] = [[]];
    for (let i = 0; i < r; i++) {
      chosen = chosen.flatMap((picks) =>
        rangeOf(count)
          .filter(
            (next) =>
              picks.length === 0 || (with_replacement ? next >= (picks.at(-1) ?? 0) : next > (picks.at(-1) ?? 0)),
          )
          .map((next) => [...picks, next]),
      );
      if (chosen.length > MAX_COMBINATIONS)
        return context.unsupported(
          `more than ${MAX_COMBINATIONS} combinations()`,
          'use a smaller r or a shorter vector',
        );
    }
    const places = context.constant(chosen.flat().map(BigInt), 'int64', [chosen.length, r]);
    return context.node('Gather', [self, places], {
      shape: [chosen.length, r],
      attributes: { axis: int(0) },
      adapt: false,
    });
  },
  { limits: 'only vectors of fixed size' },
);
