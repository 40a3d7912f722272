import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { maxDims, SymInt } from '../../../symbolic/sym-int.ts';
import { ListValue, SymBool, TensorValue, type Scalar, type Value } from '../../../symbolic/values.ts';
import { countOf, joinedItems } from '../../columns.ts';
import { rangeOf } from '../../dims.ts';
import { grownOf, insertItem, readItem, setGrown, setItem, sliceItems, takeItem } from '../../grown-items.ts';
import { isSame } from '../../same-value.ts';
import { arithmetic, asDim, combine, compareScalars, fromDim, toBoolean } from '../../scalar-math.ts';
import type { LowerResult } from '../../define-op.ts';
import { positions } from '../../positions.ts';
import { listOfElements, repeatedItems } from './list-numbers.ts';
import { defaultSlice, positionIn } from './list-indices.ts';
import { scalarFamily } from './scalar-family.ts';

const { ops, defineScalarOp, defineTolerantOp } = scalarFamily();

/** Python's lists. */
export const lists = ops;

const itemsOf = (list: Value | undefined): readonly Value[] => (list as ListValue).items;

// ---- reading -----------------------------------------------------------------------------------------------------------

defineScalarOp('aten::len.t(t[] a) -> int', (_, { a }) => BigInt(itemsOf(a).length));
defineScalarOp('aten::len.unknown(List(t) a) -> int', (context, { a }) => fromDim(countOf(context, a as ListValue)));
for (const name of ['__getitem__', 'select']) {
  defineScalarOp(`aten::${name}.t(t[](a) list, int idx) -> t(*)`, (context, { list, idx }) => {
    const items = itemsOf(list);
    const position = asDim(context, idx as bigint);
    if (position instanceof SymInt) return pick(context, list as ListValue, position);
    return items[positionIn(context, items.length, BigInt(position))];
  });
  defineScalarOp(`aten::${name}.unknown(List(t) list, int idx) -> t(*)`, (context, { list, idx }) => {
    const { pieces } = list as ListValue;
    const position = asDim(context, idx as bigint);
    return pieces === undefined
      ? readItem(context, grownOf(context, list as ListValue), position)
      : pieces.item(position);
  });
}

/** An item of a list of known length at a position known only at run time. */
function pick(context: LowerContext, list: ListValue, index: SymInt): Value {
  const [first] = itemsOf(list);
  if (itemsOf(list).length === 1 && first !== undefined) return first;
  return readItem(context, grownOf(context, list), index);
}

for (const [overload, type] of [
  ['t', 't[]'],
  ['unknown', 'List(t)'],
] as const) {
  defineScalarOp(
    `aten::slice.${overload}(${type} l, int? start=None, int? end=None, int step=1) -> t[]`,
    (context, { l, start, end, step }) => {
      const list = l as ListValue;
      const [from, to] = [start, end].map((bound) => (bound === null ? null : asDim(context, bound as bigint)));
      const known = list.grown === undefined && ![from, to, step].some((bound) => bound instanceof SymInt);
      if (known) {
        const items = itemsOf(list);
        return defaultSlice(context, items.length, { start, end, step }).map((i) => items[i] ?? null);
      }
      if (typeof step !== 'bigint' || step === 0n) {
        return context.unsupported(
          'a slice of a list with a step of 0 or a step known only at run time',
          'write the step as a number',
        );
      }
      const slice = { start: from ?? null, end: to ?? null, step: Number(step) };
      return new ListValue([], sliceItems(context, grownOf(context, list), slice));
    },
  );
  defineScalarOp(`aten::add.${overload}(${type} a, ${type} b) -> t[]`, (context, { a, b }) => {
    const [x, y] = [a as ListValue, b as ListValue];
    if (x.grown === undefined && y.grown === undefined) return [...itemsOf(a), ...itemsOf(b)];
    return new ListValue([], joinedItems(context, x, y));
  });
}
const repeated = (context: LowerContext, list: Value | undefined, count: Value | undefined): LowerResult => {
  const times = asDim(context, count as bigint);
  if (times instanceof SymInt || (list as ListValue).grown !== undefined) {
    return repeatedItems(context, list as ListValue, maxDims(times, 0));
  }
  return rangeOf(Math.max(0, times)).flatMap(() => itemsOf(list));
};
for (const [overload, type] of [
  ['t', 't[]'],
  ['unknown', 'List(t)'],
] as const) {
  defineScalarOp(`aten::mul.left_${overload}(${type} l, int n) -> t[]`, (context, { l, n }) => repeated(context, l, n));
  defineScalarOp(`aten::mul.right_${overload}(int n, ${type} l) -> t[]`, (context, { l, n }) =>
    repeated(context, l, n),
  );
}
defineScalarOp('aten::list(str t) -> str[]', (_, { t }) => [...(t as string)]);
for (const [key, name] of [
  ['list.t', 'l'],
  ['copy.t', 'self'],
  ['Size', 'sizes'],
] as const) {
  defineScalarOp(`aten::${key}(t[] ${name}) -> t[]`, (_, args) => new ListValue(itemsOf(args[name])));
  defineScalarOp(
    `aten::${key.split('.')[0] ?? key}.unknown(List(t) ${name}) -> t[]`,
    (_, args) => new ListValue([], (args[name] as ListValue).grown),
  );
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
defineScalarOp('aten::reverse.unknown(List(t)(a!) self) -> ()', (context, { self }) => {
  const items = grownOf(context, self as ListValue);
  context.heap.setGrown(self as ListValue, sliceItems(context, items, { start: null, end: null, step: -1 }));
});
defineScalarOp('prim::rangelist(int n) -> int[]', (context, { n }) => {
  const count = asDim(context, n as bigint);
  if (count instanceof SymInt) return listOfElements(context, positions(context, maxDims(count, 0)));
  return rangeOf(Math.max(0, count)).map(BigInt);
});

// ---- changing ----------------------------------------------------------------------------------------------------------

const isKnown = (list: ListValue): boolean => list.grown === undefined && list.pieces === undefined;

/** Appends an item, also to a list of unknown length. */
function append(context: LowerContext, list: ListValue, item: Value): void {
  if (isKnown(list)) context.heap.append(list, item);
  else setGrown(context, list, joinedItems(context, list, new ListValue([item])));
}
defineTolerantOp('aten::append.t(Any self, t el) -> t[](a!)', (context, { self, el }) => {
  if (!(self instanceof ListValue)) return self;
  append(context, self, el ?? null);
  return self;
});
defineTolerantOp('aten::extend.t(Any self, Any other) -> ()', (context, { self, other }) => {
  if (!(self instanceof ListValue) || !(other instanceof ListValue)) return undefined;
  if (isKnown(other)) for (const item of [...itemsOf(other)]) append(context, self, item);
  else setGrown(context, self, joinedItems(context, self, other));
  return undefined;
});
defineTolerantOp('aten::_set_item.t(t[](a!) l, int idx, t el) -> t[](a!)', (context, { l, idx, el }) => {
  const items = itemsOf(l);
  const position = asDim(context, idx as bigint);
  if (position instanceof SymInt) setItem(context, l as ListValue, position, el ?? null);
  else context.heap.setItems(l as ListValue, items.with(positionIn(context, items.length, idx), el ?? null));
  return l;
});
defineTolerantOp('aten::_set_item.unknown(List(t)(a!) l, int idx, t el) -> t[](a!)', (context, { l, idx, el }) => {
  setItem(context, l as ListValue, asDim(context, idx as bigint), el ?? null);
  return l;
});
defineTolerantOp('aten::insert.t(Any self, int idx, t el) -> ()', (context, { self, idx, el }) => {
  if (!(self instanceof ListValue)) return undefined;
  const position = asDim(context, idx as bigint);
  if (!isKnown(self) || position instanceof SymInt) insertItem(context, self, position, el ?? null);
  else context.heap.setItems(self, self.items.toSpliced(position, 0, el ?? null));
  return undefined;
});
defineScalarOp('aten::pop.t(t[](a!) self, int idx=-1) -> t(*)', (context, { self, idx }) => {
  const items = itemsOf(self);
  const position = asDim(context, idx as bigint);
  if (position instanceof SymInt) return takeItem(context, self as ListValue, position);
  const at = positionIn(context, items.length, idx);
  context.heap.setItems(self as ListValue, items.toSpliced(at, 1));
  return items[at];
});
defineScalarOp('aten::pop.unknown(List(t) self, int idx=-1) -> t(*)', (context, { self, idx }) =>
  takeItem(context, self as ListValue, asDim(context, idx as bigint)),
);
defineScalarOp('aten::Delete.t(t[](a!) self, int idx) -> ()', (context, { self, idx }) => {
  const items = itemsOf(self);
  const position = asDim(context, idx as bigint);
  if (position instanceof SymInt) takeItem(context, self as ListValue, position);
  else context.heap.setItems(self as ListValue, items.toSpliced(positionIn(context, items.length, idx), 1));
});
defineScalarOp('aten::Delete.unknown(List(t)(a!) self, int idx) -> ()', (context, { self, idx }) => {
  takeItem(context, self as ListValue, asDim(context, idx as bigint));
});
defineScalarOp('aten::remove.int(t[](a!) self, t el) -> ()', (context, { self, el }) => {
  const items = itemsOf(self);
  context.heap.setItems(self as ListValue, items.toSpliced(items.indexOf(findItem(context, items, el)), 1));
});
defineScalarOp('aten::clear.t(Any self) -> ()', (context, { self }) => {
  if (self instanceof ListValue) context.heap.setItems(self, []);
});
