import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { addDims, subDims, SymInt } from '../../../symbolic/sym-int.ts';
import { ListValue, SymBool, TensorValue, type Scalar, type Value } from '../../../symbolic/values.ts';
import { int } from '../../attributes.ts';
import { knownDim, rangeOf } from '../../dims.ts';
import { isSame } from '../../same-value.ts';
import { arithmetic, asDim, combine, compareScalars, fromDim, toBoolean } from '../../scalar-math.ts';
import { readSelect } from '../../slicing.ts';
import { defaultSlice, positionIn } from './list-indices.ts';
import { scalarFamily } from './scalar-family.ts';

const { ops, defineScalarOp, defineTolerantOp } = scalarFamily();

/** Python's lists. */
export const lists = ops;

const itemsOf = (list: Value | undefined): readonly Value[] => (list as ListValue).items;

// ---- reading -----------------------------------------------------------------------------------------------------------

defineScalarOp('aten::len.t(t[] a) -> int', (_, { a }) => BigInt(itemsOf(a).length));
defineScalarOp('aten::len.stacked(Tensor a) -> int', (context, { a }) =>
  fromDim(context.resolve((a as TensorValue).shape[0] ?? 0)),
);
for (const name of ['__getitem__', 'select']) {
  defineScalarOp(`aten::${name}.t(t[](a) list, int idx) -> t(*)`, (context, { list, idx }) => {
    const { pieces } = list as ListValue;
    const position = asDim(context, idx as bigint);
    if (pieces !== undefined) return pieces.item(position);
    const items = itemsOf(list);
    if (position instanceof SymInt) return pick(context, items, position);
    return items[positionIn(context, items.length, BigInt(position))];
  });
}
defineScalarOp('aten::__getitem__.stacked(Tensor list, int idx) -> t(*)', (context, { list, idx }) =>
  readSelect(context, list as TensorValue, 0, asDim(context, idx as bigint)),
);

/** An item at a position known only at run time. The items must be numbers of one kind or tensors of one shape. */
function pick(context: LowerContext, items: readonly Value[], index: SymInt): Value {
  const tensors = items.filter((item) => item instanceof TensorValue);
  const [first] = tensors;
  if (first === undefined) {
    const whole = items.every((item) => typeof item === 'bigint' || item instanceof SymInt);
    const real = items.every((item) => typeof item === 'number');
    if (items.length === 0 || (!whole && !real)) return positionIn(context, items.length, index) as never;
    const table = context.elements(items as Scalar[], whole ? 'int64' : 'float64', [items.length]);
    return context.item(readSelect(context, table, 0, index));
  }
  if (
    tensors.length < items.length ||
    tensors.some(({ rank, dtype }) => rank !== first.rank || dtype !== first.dtype)
  ) {
    return positionIn(context, items.length, index) as never;
  }
  const shape = first.shape.map((dim, axis) => knownDim(dim, ...tensors.map((tensor) => tensor.shape[axis] ?? dim)));
  const rows = tensors.map((tensor) => context.reshape(tensor, [1, ...tensor.shape]));
  const stack = context.node('Concat', rows, {
    shape: [rows.length, ...shape],
    attributes: { axis: int(0) },
    adapt: false,
  });
  return readSelect(context, stack, 0, index);
}

defineScalarOp(
  'aten::slice.t(t[] l, int? start=None, int? end=None, int step=1) -> t[]',
  (context, { l, start, end, step }) => {
    const items = itemsOf(l);
    return defaultSlice(context, items.length, { start, end, step }).map((i) => items[i] ?? null);
  },
);
defineScalarOp('aten::add.t(t[] a, t[] b) -> t[]', (_, { a, b }) => [...itemsOf(a), ...itemsOf(b)]);
const repeated = (context: LowerContext, list: Value | undefined, count: Value | undefined): Value[] => {
  const times = asDim(context, count as bigint);
  if (times instanceof SymInt)
    return context.unsupported(
      'a list repeated a number of times known only at run time',
      'keep the items in a tensor',
    );
  return rangeOf(Math.max(0, times)).flatMap(() => itemsOf(list));
};
defineScalarOp('aten::mul.left_t(t[] l, int n) -> t[]', (context, { l, n }) => repeated(context, l, n));
defineScalarOp('aten::mul.right_(int n, t[] l) -> t[]', (context, { l, n }) => repeated(context, l, n));
defineScalarOp('aten::list(str t) -> str[]', (_, { t }) => [...(t as string)]);
for (const [key, name] of [
  ['list.t', 'l'],
  ['copy.t', 'self'],
  ['Size', 'sizes'],
] as const) {
  defineScalarOp(`aten::${key}(t[] ${name}) -> t[]`, (_, args) => new ListValue(itemsOf(args[name])));
}
defineScalarOp('aten::__contains__.int_list(t[] l, t item) -> bool', (context, { l, item }) =>
  itemsOf(l).some((candidate) => isSame(context, candidate, item)),
);
defineScalarOp('aten::index.list_int(t[] self, t el) -> int', (context, { self, el }) =>
  BigInt(itemsOf(self).indexOf(findItem(context, itemsOf(self), el))),
);
defineScalarOp('aten::count.int(t[] self, t el) -> int', (context, { self, el }) =>
  BigInt(itemsOf(self).filter((item) => isSame(context, item, el)).length),
);

function findItem(context: LowerContext, items: readonly Value[], wanted: Value | undefined): Value {
  const found = items.find((item) => isSame(context, item, wanted));
  return found ?? context.unsupported('index() or remove() of an item that is not there', 'PyTorch fails here too');
}

// ---- reductions --------------------------------------------------------------------------------------------------------

defineScalarOp('aten::sum.int(Scalar[] self) -> int', (context, { self }) =>
  (itemsOf(self) as Scalar[]).reduce(
    (sum, item) => arithmetic(context, 'add', sum, item),
    typeof itemsOf(self)[0] === 'number' ? 0 : 0n,
  ),
);
for (const [name, op] of [
  ['any', 'or'],
  ['all', 'and'],
] as const) {
  defineScalarOp(`aten::${name}.bool(Scalar[] self) -> bool`, (context, { self }) =>
    (itemsOf(self) as Scalar[]).reduce<boolean | SymBool>(
      (truth, item) => combine(context, op, truth, toBoolean(context, item)),
      op === 'and',
    ),
  );
}

// ---- order -------------------------------------------------------------------------------------------------------------

/** The sorted items. Their order must be known at compile time. */
function ordered(context: LowerContext, items: readonly Value[], reverse = false): Value[] {
  const isLess = (a: Value, b: Value): boolean => {
    if (typeof a === 'string' && typeof b === 'string') return a < b;
    if (a instanceof TensorValue || b instanceof TensorValue) {
      return context.unsupported('sorting a list of tensors', 'sort one tensor instead');
    }
    const less = compareScalars(context, 'lt', a as Scalar, b as Scalar);
    return less instanceof SymBool
      ? context.unsupported('sorting numbers known only at run time', 'sort a tensor instead')
      : less;
  };
  const sign = reverse ? -1 : 1;
  return items.toSorted((a, b) => (isLess(a, b) ? -sign : isLess(b, a) ? sign : 0));
}
defineScalarOp('aten::sorted.any(t[] self) -> t[]', (context, { self }) => ordered(context, itemsOf(self)));
defineScalarOp('aten::sort.any(t[](a!) self, bool reverse=False) -> ()', (context, { self, reverse }) => {
  context.heap.setItems(self as ListValue, ordered(context, itemsOf(self), reverse === true));
});
defineScalarOp('aten::reverse.t(t[](a!) self) -> ()', (context, { self }) => {
  context.heap.setItems(self as ListValue, itemsOf(self).toReversed());
});
defineScalarOp('prim::rangelist(int n) -> int[]', (context, { n }) => {
  const count = asDim(context, n as bigint);
  if (count instanceof SymInt)
    return context.unsupported('a list made of a range whose length is known only at run time', 'use torch.arange');
  return rangeOf(Math.max(0, count)).map(BigInt);
});

const ONLY_ENDS = 'such a list can change only at its start and its end: keep the items in a tensor';

// ---- changing ----------------------------------------------------------------------------------------------------------

/** An item as a row [1, …] for the tensor that holds the items of a list of unknown length. */
function rowOf(context: LowerContext, list: ListValue, stack: TensorValue, item: Value): TensorValue {
  if (list.pieces !== undefined) {
    return context.unsupported(
      'changing a list of pieces whose length is known only at run time',
      'fix the size of the axis with --input name:dtype[sizes]',
    );
  }
  if (!(item instanceof TensorValue) || item.dtype !== stack.dtype || item.rank !== stack.rank - 1) {
    return context.unsupported(
      'a list of unknown length whose items are not tensors of one dtype and rank',
      'keep the items in a tensor',
    );
  }
  return context.reshape(item, [1, ...item.shape]);
}

function joined(context: LowerContext, first: TensorValue, second: TensorValue): TensorValue {
  const [a = 0, ...rest] = first.shape;
  return context.node('Concat', [first, second], {
    shape: [addDims(a, second.shape[0] ?? 0), ...rest],
    attributes: { axis: int(0) },
    adapt: false,
  });
}

/** Appends an item, also to a list of unknown length. */
function append(context: LowerContext, list: ListValue, item: Value): void {
  const { stack } = list;
  if (stack === undefined) context.heap.append(list, item);
  else context.heap.setStack(list, joined(context, stack, rowOf(context, list, stack, item)));
}
defineTolerantOp('aten::append.t(Any self, t el) -> t[](a!)', (context, { self, el }) => {
  if (!(self instanceof ListValue)) return self;
  append(context, self, el ?? null);
  return self;
});
defineTolerantOp('aten::extend.t(Any self, t[] other) -> ()', (context, { self, other }) => {
  if (self instanceof ListValue) for (const item of [...itemsOf(other)]) append(context, self, item);
});
defineTolerantOp('aten::_set_item.t(t[](a!) l, int idx, t el) -> t[](a!)', (context, { l, idx, el }) => {
  const items = itemsOf(l);
  context.heap.setItems(l as ListValue, items.with(positionIn(context, items.length, idx), el ?? null));
  return l;
});
defineTolerantOp('aten::insert.t(Any self, int idx, t el) -> ()', (context, { self, idx, el }) => {
  if (!(self instanceof ListValue)) return undefined;
  const { stack } = self;
  if (stack !== undefined) {
    if (idx !== 0n) return context.unsupported('inserting into the middle of a list of unknown length', ONLY_ENDS);
    context.heap.setStack(self, joined(context, rowOf(context, self, stack, el ?? null), stack));
    return undefined;
  }
  const { items } = self;
  if (typeof idx !== 'bigint') return positionIn(context, items.length, idx) as never;
  context.heap.setItems(self, items.toSpliced(Number(idx), 0, el ?? null));
  return undefined;
});
defineScalarOp('aten::pop.t(t[](a!) self, int idx=-1) -> t(*)', (context, { self, idx }) => {
  const items = itemsOf(self);
  const at = positionIn(context, items.length, idx);
  context.heap.setItems(self as ListValue, items.toSpliced(at, 1));
  return items[at];
});
defineScalarOp('aten::pop.unknown(List(t) self, int idx=-1) -> t(*)', (context, { self, idx }) => {
  const { stack, pieces } = self as ListValue;
  if (stack === undefined || pieces !== undefined || (idx !== -1n && idx !== 0n)) {
    return context.unsupported('taking an item out of the middle of a list of unknown length', ONLY_ENDS);
  }
  const item = readSelect(context, stack, 0, Number(idx));
  const last = subDims(stack.shape[0] ?? 0, 1);
  const rest =
    idx === 0n
      ? context.slice(stack, 0, 1, Number.MAX_SAFE_INTEGER, 1, last)
      : context.slice(stack, 0, 0, last, 1, last);
  context.heap.setStack(self as ListValue, rest);
  return item;
});
defineScalarOp('aten::Delete.t(t[](a!) self, int idx) -> ()', (context, { self, idx }) => {
  const items = itemsOf(self);
  context.heap.setItems(self as ListValue, items.toSpliced(positionIn(context, items.length, idx), 1));
});
defineScalarOp('aten::remove.int(t[](a!) self, t el) -> ()', (context, { self, el }) => {
  const items = itemsOf(self);
  context.heap.setItems(self as ListValue, items.toSpliced(items.indexOf(findItem(context, items, el)), 1));
});
defineScalarOp('aten::clear.t(t[](a!) self) -> ()', (context, { self }) => {
  context.heap.setItems(self as ListValue, []);
});
