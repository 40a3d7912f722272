import type { LowerContext } from '../symbolic/lower-context.ts';
import {
  addDims,
  floorDivDims,
  isLess,
  maxDims,
  minDims,
  minimumOf,
  modDims,
  mulDims,
  sameDim,
  subDims,
  type Dim,
} from '../symbolic/sym-int.ts';
import type { TensorValue } from '../symbolic/values.ts';
import { binary, choose, compare } from './arithmetic.ts';
import { withContiguity } from './copies.ts';
import { toDim, toScalar } from './dims.ts';
import { positions } from './positions.ts';
import { scatterElements } from './scatter.ts';
import { int } from './attributes.ts';

/** A bound after the end of every axis. */
const TO_THE_END = Number.MAX_SAFE_INTEGER;

/** A slice as in Python: negative bounds count from the end, bounds outside of the axis are clamped. */
export interface SliceBounds {
  readonly axis: number;
  readonly start: Dim;
  readonly end: Dim;
  readonly step: number;
}

/** Bounds of a slice. null means the start or the end. */
export function sliceBounds(axis: number, start: Dim | null, end: Dim | null, step = 1): SliceBounds {
  const bound = (dim: Dim): Dim => (typeof dim === 'number' ? Math.max(-TO_THE_END, Math.min(TO_THE_END, dim)) : dim);
  return { axis, start: bound(start ?? 0), end: bound(end ?? TO_THE_END), step };
}

/** A bound counted from the front and clamped to the axis; undefined if its sign is known only at run time. */
function absolute(bound: Dim, length: Dim): Dim | undefined {
  if (bound === TO_THE_END) return length;
  if (minimumOf(bound) >= 0) return minDims(bound, length);
  return isLess(bound, 0) === true ? maxDims(addDims(length, bound), 0) : undefined;
}

/** As {@link absolute}, but computed at run time, for a bound of unknown sign. */
function absoluteAtRunTime(context: LowerContext, bound: Dim, length: Dim): Dim {
  const [value, size, zero] = [bound, length, 0].map((dim) => context.scalar(toScalar(dim), 'int64'));
  if (value === undefined || size === undefined || zero === undefined) return 0;
  const counted = choose(context, compare(context, 'Less', value, zero), binary(context, 'Add', value, size), value);
  const cut = binary(context, 'Max', binary(context, 'Min', counted, size), zero);
  return toDim(context.item(cut)) ?? 0;
}

/** Number of elements of a slice; undefined if it is known only at run time. */
function sliceCount({ start, end, step }: SliceBounds, length: Dim): Dim | undefined {
  const from = minimumOf(start) >= 0 ? start : absolute(start, length);
  const to = absolute(end, length);
  if (from === undefined || to === undefined) return undefined;
  const span = maxDims(subDims(to, from), 0);
  return step === 1 ? span : floorDivDims(addDims(span, step - 1), step);
}

/** The elements of a slice. */
export function readSlice(context: LowerContext, base: TensorValue, bounds: SliceBounds): TensorValue {
  const { axis, start, end, step } = bounds;
  const { shape } = base.content;
  const count = sliceCount(bounds, shape[axis] ?? 0);
  if (count === undefined) {
    return context.node('Slice', [base, ...[start, end, axis, step].map((bound) => context.ints([bound]))], {
      shape: shape.map((dim, i) => (i === axis ? null : dim)),
      adapt: false,
    });
  }
  const inOrder = base.content.contiguous && step === 1 && shape.slice(0, axis).every((dim) => dim === 1);
  const whole = sameDim(count, shape[axis] ?? 0);
  return withContiguity(context.slice(base, axis, start, end, step, count), whole ? base.content.contiguous : inOrder);
}

/** `base` with the elements of a slice replaced. */
export function writeSlice(
  context: LowerContext,
  base: TensorValue,
  bounds: SliceBounds,
  updated: TensorValue,
): TensorValue {
  const { axis, step } = bounds;
  const length = base.content.shape[axis] ?? 0;
  const start = absolute(bounds.start, length) ?? absoluteAtRunTime(context, bounds.start, length);
  const end = absolute(bounds.end, length) ?? absoluteAtRunTime(context, bounds.end, length);
  const count = sliceCount(bounds, length) ?? ceilDivDims(maxDims(subDims(end, start), 0), step);
  if (count === 0) return base;
  if (step !== 1) {
    const indices = positions(context, count, { start, step, axis, rank: base.rank });
    return scatterElements(context, base, axis, context.expand(indices, updated.content.shape), updated);
  }
  return writeRange(context, base, axis, start, addDims(start, count), updated);
}

/** A slice as a view. */
export function sliceView(context: LowerContext, self: TensorValue, bounds: SliceBounds): TensorValue {
  return context.view(
    self,
    (base) => readSlice(context, base, bounds),
    (base, updated) => writeSlice(context, base, bounds, updated),
  );
}

/** A view of `count` elements of an axis from `start` on. The range must be within the axis. */
export function rangeView(context: LowerContext, self: TensorValue, axis: number, start: Dim, count: Dim): TensorValue {
  const bounds = sliceBounds(axis, start, addDims(start, count));
  return context.view(
    self,
    (base) => {
      const { shape, contiguous } = base.content;
      const inOrder = contiguous && shape.slice(0, axis).every((dim) => dim === 1);
      return withContiguity(context.slice(base, axis, start, bounds.end, 1, count), inOrder);
    },
    (base, updated) => writeRange(context, base, axis, start, addDims(start, count), updated),
  );
}

/** `base` with the range from `start` to `end` of an axis replaced by `updated`. The range must be within the axis. */
function writeRange(
  context: LowerContext,
  base: TensorValue,
  axis: number,
  start: Dim,
  end: Dim,
  updated: TensorValue,
): TensorValue {
  const { shape } = base.content;
  const rest = subDims(shape[axis] ?? 0, end);
  const before = start === 0 ? [] : [context.slice(base, axis, 0, start, 1, start)];
  const after = rest === 0 ? [] : [context.slice(base, axis, end, TO_THE_END, 1, rest)];
  if (before.length === 0 && after.length === 0) return updated;
  return context.node('Concat', [...before, updated, ...after], {
    shape,
    attributes: { axis: int(axis) },
    adapt: false,
  });
}

/** An index counted from the front. Refuses an index that is known to be out of range. */
function absoluteIndex(context: LowerContext, index: Dim, length: Dim): Dim {
  if (typeof index === 'number' && typeof length === 'number' && (index >= length || index < -length)) {
    return context.unsupported(`index ${index} of an axis of ${length}`, 'it is out of range: check the inputs’ sizes');
  }
  if (minimumOf(index) >= 0) return index;
  if (isLess(index, 0) === true) return addDims(length, index);
  return modDims(index, length);
}

/** The tensor at one position of an axis, without that axis. */
export function readSelect(context: LowerContext, base: TensorValue, axis: number, index: Dim): TensorValue {
  const { shape, contiguous, dtype } = base.content;
  const known = context.elementsOf(base);
  absoluteIndex(context, index, shape[axis] ?? 0);
  if (known !== undefined && shape.length === 1 && typeof index === 'number') {
    const element = known.at(index);
    if (element !== undefined) return context.elements([element], dtype, []);
  }
  const picked = context.node('Gather', [base, context.scalar(toScalar(index), 'int64')], {
    shape: shape.toSpliced(axis, 1),
    attributes: { axis: int(axis) },
    adapt: false,
  });
  return withContiguity(picked, contiguous && shape.slice(0, axis).every((dim) => dim === 1));
}

/** `base` with one position of an axis replaced. */
export function writeSelect(
  context: LowerContext,
  base: TensorValue,
  axis: number,
  index: Dim,
  updated: TensorValue,
): TensorValue {
  const { shape } = base.content;
  const at = absoluteIndex(context, index, shape[axis] ?? 0);
  return writeRange(context, base, axis, at, addDims(at, 1), context.reshape(updated, shape.with(axis, 1)));
}

/** A view of one position of an axis, without that axis. */
export function selectView(context: LowerContext, self: TensorValue, axis: number, index: Dim): TensorValue {
  return context.view(
    self,
    (base) => readSelect(context, base, axis, index),
    (base, updated) => writeSelect(context, base, axis, index, updated),
  );
}

/** `a / b` rounded up: `-(-a // b)`. */
export function ceilDivDims(a: Dim, b: Dim): Dim {
  return mulDims(floorDivDims(mulDims(a, -1), b), -1);
}
