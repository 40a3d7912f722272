import { joinTypes, growItems, lengthOf, typeOfItems } from '../symbolic/grown-list.ts';
import type { LowerContext } from '../symbolic/lower-context.ts';
import { CannotMerge } from '../symbolic/merge.ts';
import {
  addDims,
  floorDivDims,
  isLess,
  maxDims,
  minDims,
  minimumOf,
  productOf,
  sameDim,
  subDims,
  type Dim,
} from '../symbolic/sym-int.ts';
import { TensorValue, type Column, type GrownItems, type ListValue, type Value } from '../symbolic/values.ts';
import { int } from './attributes.ts';
import { binary, choose, compare } from './arithmetic.ts';
import { rangeOf, toDim, toScalar } from './dims.ts';
import { positions } from './positions.ts';
import { scatterElements } from './scatter.ts';
import { readSelect, selectView } from './slicing.ts';

/** A position in a list, counted from the front at run time if its sign is not known. */
export function fromFront(context: LowerContext, index: Dim, length: Dim): Dim {
  if (minimumOf(index) >= 0) return index;
  if (isLess(index, 0) === true) return addDims(length, index);
  const [at, size, zero] = [index, length, 0].map((dim) => context.scalar(toScalar(dim), 'int64'));
  if (at === undefined || size === undefined || zero === undefined) return index;
  const counted = choose(context, compare(context, 'Less', at, zero), binary(context, 'Add', at, size), at);
  return toDim(context.item(counted)) ?? 0;
}

/** A bound of a slice, counted from the front and cut to the list. */
export function boundOf(context: LowerContext, bound: Dim, length: Dim): Dim {
  return maxDims(minDims(fromFront(context, bound, length), length), 0);
}

/** The places from which items were read. */
const origins = new WeakMap<TensorValue, { readonly data: TensorValue; readonly index: Dim }>();

/** Whether a value is a view of the item at this position of a column, so that it need not be put there. */
export function isItemAt(value: Value, { data }: Column, index: Dim): boolean {
  const origin = value instanceof TensorValue && data.rank > 1 ? origins.get(value) : undefined;
  return origin?.data === data && sameDim(origin.index, index);
}

/** The leaf at a position. A position out of the list makes the run fail, as in PyTorch. */
export function readLeaf(context: LowerContext, column: Column, index: Dim): TensorValue {
  const { data, sizes } = column;
  if (sizes === undefined) {
    // A view, so that a change in place of an item reaches the list.
    const item = data.rank > 1 ? selectView(context, data, 0, index) : readSelect(context, data, 0, index);
    origins.set(item, { data, index });
    return item;
  }
  const shape = readSelect(context, sizes, 0, index);
  const at = fromFront(context, index, sizes.content.shape[0] ?? 0);
  const start = startOf(context, column, at);
  const elements = context.slice(data, 0, start, startOf(context, column, addDims(at, 1)));
  const leaf = context.node('Reshape', [elements, shape], {
    shape: rangeOf(rankOf(column)).map(() => null),
    attributes: { allowzero: int(1) },
    adapt: false,
  });
  context.heap.freeze(leaf, 'a change in place of an item of a list of tensors of different sizes');
  return leaf;
}

/** The number of axes of each leaf. */
export function rankOf({ data, sizes }: Column): number {
  return sizes === undefined ? data.rank - 1 : Number(sizes.content.shape[1]);
}

/** The position of the first element of the leaf at `index`. `index` may be the number of leaves. */
function startOf(context: LowerContext, column: Column, index: Dim): Dim {
  if (index === 0) return 0;
  const before = context.slice(lengthsOf(context, column), 0, 0, index);
  return toDim(context.item(sum(context, before))) ?? 0;
}

/** The number of elements of each leaf of a column with sizes. */
function lengthsOf(context: LowerContext, { sizes }: Column): TensorValue {
  if (sizes === undefined) return context.ints([]);
  const count = sizes.content.shape[0] ?? 0;
  if (sizes.content.shape[1] === 1) return context.reshape(sizes, [count]);
  return context.node('ReduceProd', [sizes, context.ints([1])], { shape: [count], attributes: { keepdims: int(0) } });
}

function sum(context: LowerContext, values: TensorValue): TensorValue {
  return context.node('ReduceSum', [values, context.ints([0])], { shape: [], attributes: { keepdims: int(0) } });
}

/** The leaves from `start` to `end`. Both are counted from the front and within the list. */
export function sliceColumn(context: LowerContext, column: Column, start: Dim, end: Dim): Column {
  const { data, sizes } = column;
  if (sizes === undefined) return { data: context.slice(data, 0, start, end) };
  const [from, to] = [startOf(context, column, start), startOf(context, column, end)];
  return { data: context.slice(data, 0, from, to), sizes: context.slice(sizes, 0, start, end) };
}

/** The leaves of both columns. */
export function joinColumns(context: LowerContext, a: Column, b: Column): Column {
  const data = joinRows(context, a.data, b.data);
  return a.sizes === undefined || b.sizes === undefined
    ? { data }
    : { data, sizes: joinRows(context, a.sizes, b.sizes) };
}

function joinRows(context: LowerContext, a: TensorValue, b: TensorValue): TensorValue {
  const [first = 0, ...rest] = a.content.shape;
  const [second = 0] = b.content.shape;
  if (first === 0) return b;
  if (second === 0) return a;
  return context.node('Concat', [a, b], {
    shape: [addDims(first, second), ...rest],
    attributes: { axis: int(0) },
    adapt: false,
  });
}

/** The leaves at the given positions, which count from the front. `indices` is a 1-D int64 tensor. */
export function takeLeaves(context: LowerContext, column: Column, indices: TensorValue): Column {
  const { data, sizes } = column;
  const gather = (from: TensorValue, at: TensorValue): TensorValue =>
    context.node('Gather', [from, at], {
      shape: [at.content.shape[0] ?? null, ...from.content.shape.slice(1)],
      attributes: { axis: int(0) },
      adapt: false,
    });
  if (sizes === undefined) return { data: gather(data, indices) };
  const lengths = lengthsOf(context, column);
  const starts = exclusiveSums(context, lengths);
  const taken = gather(lengths, indices);
  const begins = exclusiveSums(context, taken);
  const total = toDim(context.item(sum(context, taken))) ?? 0;
  const owner = ownerOfElement(context, begins, total);
  const shift = binary(context, 'Sub', gather(starts, indices), begins);
  const from = binary(context, 'Add', positions(context, total), gather(shift, owner));
  return { data: gather(data, from), sizes: gather(sizes, indices) };
}

/** For each element, the sum of the elements before it. */
export function exclusiveSums(context: LowerContext, values: TensorValue): TensorValue {
  return context.node('CumSum', [values, context.scalar(0n, 'int64')], { attributes: { exclusive: int(1) } });
}

/** For each of `total` elements, the number of the leaf that it belongs to. `begins` has the first element of each leaf. */
export function ownerOfElement(context: LowerContext, begins: TensorValue, total: Dim): TensorValue {
  const zeros = context.expand(context.elements([0n], 'int64', [1]), [addDims(total, 1)]);
  const ones = context.expand(context.elements([1n], 'int64', [1]), begins.content.shape);
  const marks = scatterElements(context, zeros, 0, begins, ones, 'add');
  const counted = context.node('CumSum', [marks, context.scalar(0n, 'int64')]);
  const owners = binary(context, 'Sub', counted, context.elements([1n], 'int64', [1]));
  return context.slice(owners, 0, 0, total, 1, total);
}

/** The leaves along a new axis 0. The run fails if their shapes differ, as in PyTorch. */
export function stackOf(context: LowerContext, column: Column): TensorValue {
  const { data, sizes } = column;
  if (sizes === undefined) return data;
  const [count = 0, rank] = sizes.content.shape;
  // The largest sizes multiply to more than there are elements if the sizes differ.
  const largest = largestSizes(context, sizes);
  const shape = context.node('Concat', [context.ints([count]), largest], {
    shape: [Number(rank) + 1],
    attributes: { axis: int(0) },
  });
  return context.node('Reshape', [data, shape], {
    shape: [count, ...rangeOf(Number(rank)).map(() => null)],
    attributes: { allowzero: int(1) },
    adapt: false,
  });
}

function largestSizes(context: LowerContext, sizes: TensorValue): TensorValue {
  const rank = sizes.content.shape[1] ?? 0;
  const zero = context.elements(
    rangeOf(Number(rank)).map(() => 0n),
    'int64',
    [1, Number(rank)],
  );
  const rows = joinRows(context, sizes, zero);
  return context.node('ReduceMax', [rows, context.ints([0])], { shape: [rank], attributes: { keepdims: int(0) } });
}

/** The leaves joined along axis 0 of each. Their other axes must have the same sizes. */
export function joinedRows(context: LowerContext, { data, sizes }: Column): TensorValue {
  if (sizes === undefined) {
    const [count = 0, first = 0, ...rest] = data.content.shape;
    return context.reshape(data, [productOf([count, first]), ...rest]);
  }
  const rank = Number(sizes.content.shape[1]);
  if (rank === 1) return data;
  const rows = sum(context, context.reshape(context.slice(sizes, 1, 0, 1), [sizes.content.shape[0] ?? 0]));
  const rest = context.slice(largestSizes(context, sizes), 0, 1, rank);
  const shape = context.node('Concat', [context.reshape(rows, [1]), rest], {
    shape: [rank],
    attributes: { axis: int(0) },
  });
  return context.node('Reshape', [data, shape], {
    shape: rangeOf(rank).map(() => null),
    attributes: { allowzero: int(1) },
    adapt: false,
  });
}

/** The items of both lists. Undefined if both are empty. @throws CannotMerge if the items have no common type. */
export function joinLists(context: LowerContext, a: ListValue, b: ListValue): GrownItems | undefined {
  const [x, y] = [typeOfItems(a), typeOfItems(b)];
  const type = x === undefined || y === undefined ? (x ?? y) : joinTypes(x, y);
  if (type === undefined) return undefined;
  const [first, second] = [growItems(context, a, type), growItems(context, b, type)];
  return {
    form: type.form,
    columns: first.columns.map((column, i) => joinColumns(context, column, second.columns[i] ?? column)),
  };
}

/** As {@link joinLists}. Refuses lists whose items have no common type. */
export function joinedItems(context: LowerContext, a: ListValue, b: ListValue): GrownItems | undefined {
  try {
    return joinLists(context, a, b);
  } catch (thrown) {
    if (!(thrown instanceof CannotMerge)) throw thrown;
    return context.unsupported(thrown.message, 'give all items of the list one type and one number of axes');
  }
}

/** The same change of every column. */
export function mapColumns({ form, columns }: GrownItems, change: (column: Column) => Column): GrownItems {
  return { form, columns: columns.map(change) };
}

/** The positions `start`, `start + step`, … that a slice with a step selects. */
export function steppedPositions(
  context: LowerContext,
  length: Dim,
  { start, end, step }: { readonly start: Dim | null; readonly end: Dim | null; readonly step: number },
): TensorValue {
  if (step > 0) {
    const from = boundOf(context, start ?? 0, length);
    const to = boundOf(context, end ?? length, length);
    return rangeTensor(context, from, to, step);
  }
  const last = subDims(length, 1);
  const cut = (bound: Dim): Dim => maxDims(minDims(fromFront(context, bound, length), last), -1);
  return rangeTensor(context, start === null ? last : cut(start), end === null ? -1 : cut(end), step);
}

function rangeTensor(context: LowerContext, from: Dim, to: Dim, step: number): TensorValue {
  const span = step > 0 ? subDims(to, from) : subDims(from, to);
  const count = floorDivDims(addDims(maxDims(span, 0), Math.abs(step) - 1), Math.abs(step));
  return positions(context, count, { start: from, step });
}

/** The number of items of a list, also of one whose length is known only at run time. */
export function countOf(context: LowerContext, list: ListValue): Dim {
  if (list.pieces !== undefined) return context.resolve(list.pieces.count);
  return list.grown === undefined ? list.items.length : context.resolve(lengthOf(list.grown));
}
