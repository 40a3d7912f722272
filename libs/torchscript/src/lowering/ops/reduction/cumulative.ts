import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { isFloating } from '../../../symbolic/onnx-types.ts';
import { minDims, subDims } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { binary, choose, compare } from '../../arithmetic.ts';
import { int } from '../../attributes.ts';
import { copyOf } from '../../copies.ts';
import { runningSum } from '../../counting.ts';
import { opFamily } from '../../define-op.ts';
import { isNan } from '../../nan.ts';
import { highestOf, lowestOf } from '../../number-range.ts';
import { positions } from '../../positions.ts';
import { asFloat } from '../../promotion.ts';
import { concatenate } from '../shape/joining.ts';
import { extremeOfAny } from './extremes.ts';
import { accumulatedType, reduce } from './reduce.ts';

const { ops, defineOp } = opFamily('reduction');

/** Cumulative sums, products and extremes along an axis, and differences. */
export const cumulative = ops;

const SQUARE = { limits: 'memory grows with the square of the size of a free axis' };

defineOp('aten::cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor', (context, { self, dim, dtype }) => {
  const cast = context.cast(self, dtype ?? accumulatedType(self.dtype));
  const axis = context.axis(dim, self.rank);
  return self.rank === 0 ? copyOf(cast) : runningSum(context, cast, axis);
});

/** The tensor shifted along an axis by `count`, with `head` in front. */
function shifted(
  context: LowerContext,
  tensor: TensorValue,
  axis: number,
  count: number,
  head: TensorValue,
): TensorValue {
  const rest = subDims(tensor.content.shape[axis] ?? 1, count);
  return context.node('Concat', [head, context.slice(tensor, axis, 0, rest, 1, rest)], {
    shape: tensor.content.shape,
    attributes: { axis: int(axis) },
    adapt: false,
  });
}

/** 1, 2, 4, … below `length`: the distances of the steps that compute a cumulative result. */
function powersOfTwoBelow(length: number): number[] {
  const steps: number[] = [];
  for (let step = 1; step < length; step *= 2) steps.push(step);
  return steps;
}

/** For every position of the axis, the elements up to it in a new last axis. Later elements are replaced by `fill`. */
function prefixesOf(context: LowerContext, tensor: TensorValue, axis: number, fill: TensorValue): TensorValue {
  const { shape } = tensor.content;
  const length = shape[axis] ?? 1;
  const order = [...shape.keys()].filter((i) => i !== axis);
  const moved = context.transpose(tensor, [...order, axis]);
  const rows = context.reshape(moved, moved.content.shape.toSpliced(-1, 0, 1));
  const [row, column] = [0, 1].map((at) => positions(context, length, { axis: at, rank: 2 }));
  if (row === undefined || column === undefined) return rows;
  return choose(context, compare(context, 'LessOrEqual', column, row), rows, fill);
}

/** Restores the order of axes after a reduction over the last axis of {@link prefixesOf}. */
function inOrder(context: LowerContext, result: TensorValue, axis: number): TensorValue {
  const last = result.rank - 1;
  const order = [...Array(last).keys()].toSpliced(axis, 0, last);
  return context.transpose(result, order);
}

defineOp(
  'aten::cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor',
  (context, { self, dim, dtype }) => {
    const cast = context.cast(self, dtype ?? accumulatedType(self.dtype));
    const axis = context.axis(dim, self.rank);
    if (self.rank === 0) return copyOf(cast);
    const length = self.content.shape[axis];
    const one = context.scalar(1n, cast.dtype);
    if (typeof length === 'number') {
      return copyOf(
        powersOfTwoBelow(length).reduce((product, step) => {
          const ones = context.expand(one, product.content.shape.with(axis, step));
          return binary(context, 'Mul', product, shifted(context, product, axis, step, ones));
        }, cast),
      );
    }
    const all = prefixesOf(context, cast, axis, one);
    return inOrder(context, reduce(context, 'ReduceProd', all, [all.rank - 1], false), axis);
  },
  SQUARE,
);

defineOp(
  'aten::logcumsumexp(Tensor self, int dim) -> Tensor',
  (context, { self, dim }) => {
    const axis = context.axis(dim, self.rank);
    const float = asFloat(context, self);
    if (self.rank === 0) return copyOf(float);
    const all = prefixesOf(context, float, axis, context.scalar(-Infinity, float.dtype));
    return inOrder(context, reduce(context, 'ReduceLogSumExp', all, [all.rank - 1], false), axis);
  },
  { limits: 'memory grows with the square of the size of the axis' },
);

/** The truth values, and true for every NaN of `self`. */
function orNan(context: LowerContext, truths: TensorValue, self: TensorValue): TensorValue {
  return isFloating(self.dtype) ? binary(context, 'Or', truths, isNan(context, self)) : truths;
}

for (const [name, beats] of [
  ['cummax', 'GreaterOrEqual'],
  ['cummin', 'LessOrEqual'],
] as const) {
  defineOp(
    `aten::${name}(Tensor self, int dim) -> (Tensor values, Tensor indices)`,
    (context, { self, dim }) => {
      const axis = context.axis(dim, self.rank);
      if (self.rank === 0) return [copyOf(self), context.scalar(0n, 'int64')];
      const { shape } = self.content;
      const length = shape[axis] ?? 1;
      const places = context.expand(positions(context, length, { axis, rank: self.rank }), shape);
      if (typeof length === 'number') {
        // At the start of the axis no earlier element exists, so the element itself stays.
        const [values, indices] = powersOfTwoBelow(length).reduce(
          ([value, index], step) => {
            const [before, at] = [value, index].map((tensor) => {
              const head = context.slice(tensor, axis, 0, step, 1, minDims(step, length));
              return shifted(context, tensor, axis, step, head);
            });
            if (before === undefined || at === undefined) return [value, index] as const;
            const keeps = orNan(context, compare(context, beats, value, before), value);
            return [choose(context, keeps, value, before), choose(context, keeps, index, at)] as const;
          },
          [self, places] as readonly [TensorValue, TensorValue],
        );
        return [copyOf(values), copyOf(indices)];
      }
      const fill = context.scalar(name === 'cummax' ? lowestOf(self.dtype) : highestOf(self.dtype), self.dtype);
      const rows = prefixesOf(context, self, axis, fill);
      const last = rows.rank - 1;
      const values = extremeOfAny(context, name === 'cummax' ? 'Max' : 'Min', rows, [last], true);
      // Of several positions with the extreme value, the last one counts.
      const seen = prefixesOf(context, places, axis, context.scalar(-1n, 'int64'));
      const equal = orNan(context, compare(context, 'Equal', rows, values), rows);
      const hits = choose(context, equal, seen, context.scalar(-1n, 'int64'));
      const indices = reduce(context, 'ReduceMax', hits, [last], false);
      const flat = context.reshape(values, indices.content.shape);
      return [inOrder(context, flat, axis), inOrder(context, indices, axis)];
    },
    SQUARE,
  );
}

defineOp(
  'aten::diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor',
  (context, { self, n, dim, prepend, append }) => {
    const axis = context.axis(dim, self.rank);
    const parts = [prepend, self, append].filter((part) => part !== null);
    let result = parts.length === 1 ? self : concatenate(context, parts, axis);
    for (let i = 0; i < n; i++) {
      const rest = subDims(result.content.shape[axis] ?? 1, 1);
      const [earlier, later] = [0, 1].map((start) =>
        context.slice(result, axis, start, start === 0 ? rest : Number.MAX_SAFE_INTEGER, 1, rest),
      );
      if (earlier === undefined || later === undefined) break;
      result = binary(context, self.dtype === 'bool' ? 'Xor' : 'Sub', later, earlier);
    }
    return copyOf(result);
  },
);
