import { growItems, itemOf, lengthOf, typeOfItems } from '../symbolic/grown-list.ts';
import type { LowerContext } from '../symbolic/lower-context.ts';
import { CannotMerge } from '../symbolic/merge.ts';
import { addDims, type Dim } from '../symbolic/sym-int.ts';
import { ListValue, type GrownItems, type Value } from '../symbolic/values.ts';
import {
  boundOf,
  fromFront,
  isItemAt,
  joinColumns,
  joinedItems,
  mapColumns,
  readLeaf,
  sliceColumn,
  steppedPositions,
  takeLeaves,
} from './columns.ts';

/** The items of a list as those of a list of unknown length. Refuses items that have no common type, and an empty list that tells no type. */
export function grownOf(context: LowerContext, list: ListValue): GrownItems {
  if (list.grown !== undefined) return list.grown;
  try {
    const type = typeOfItems(list);
    if (type === undefined) return context.unsupported('an item of an empty list', 'PyTorch fails here too');
    return growItems(context, list, type);
  } catch (thrown) {
    if (!(thrown instanceof CannotMerge)) throw thrown;
    return context.unsupported(thrown.message, 'give all items of the list one type and one number of axes');
  }
}

/** Replaces the items of a list. `undefined` means that it is empty. */
export function setGrown(context: LowerContext, list: ListValue, items: GrownItems | undefined): void {
  if (items === undefined) context.heap.setItems(list, []);
  else context.heap.setGrown(list, items);
}

/** The item at a position. */
export function readItem(context: LowerContext, items: GrownItems, index: Dim): Value {
  return itemOf(
    context,
    items.form,
    items.columns.map((column) => readLeaf(context, column, index)),
  );
}

/** Bounds and step of a slice of a list. null means the start or the end. */
export interface ListSlice {
  readonly start: Dim | null;
  readonly end: Dim | null;
  readonly step: number;
}

/** The items of a slice. */
export function sliceItems(context: LowerContext, items: GrownItems, slice: ListSlice): GrownItems {
  const length = lengthOf(items);
  if (slice.step === 1) {
    const start = slice.start === null ? 0 : boundOf(context, slice.start, length);
    const end = slice.end === null ? length : boundOf(context, slice.end, length);
    if (start === 0 && slice.end === null) return items;
    return mapColumns(items, (column) => sliceColumn(context, column, start, end));
  }
  const positions = steppedPositions(context, length, slice);
  return mapColumns(items, (column) => takeLeaves(context, column, positions));
}

/** The list with the items from `start` to `end` replaced by `items`. The bounds count from the front and are within the list. */
export function replaceItems(
  context: LowerContext,
  list: ListValue,
  range: { readonly start: Dim; readonly end: Dim },
  items: readonly Value[],
): GrownItems | undefined {
  const grown = grownOf(context, list);
  const before = mapColumns(grown, (column) => sliceColumn(context, column, 0, range.start));
  const after = mapColumns(grown, (column) => sliceColumn(context, column, range.end, lengthOf(grown)));
  const head = joinedItems(context, new ListValue([], before), new ListValue(items));
  if (head === undefined) return joinSame(context, before, after);
  return joinedItems(context, new ListValue([], head), new ListValue([], after));
}

function joinSame(context: LowerContext, a: GrownItems, b: GrownItems): GrownItems {
  return {
    form: a.form,
    columns: a.columns.map((column, i) => joinColumns(context, column, b.columns[i] ?? column)),
  };
}

/** Replaces one item. */
export function setItem(context: LowerContext, list: ListValue, index: Dim, item: Value): void {
  const grown = grownOf(context, list);
  const [column] = grown.columns;
  // `items[i] += 1` changes the item in place and then puts it into the list.
  if (column !== undefined && isItemAt(item, column, index)) return;
  const at = fromFront(context, index, lengthOf(grown));
  setGrown(context, list, replaceItems(context, list, { start: at, end: addDims(at, 1) }, [item]));
}

/** Inserts an item before a position. As in Python, a position out of the list means its start or end. */
export function insertItem(context: LowerContext, list: ListValue, index: Dim, item: Value): void {
  if (list.grown === undefined && list.stored.length === 0) return context.heap.append(list, item);
  const at = boundOf(context, index, lengthOf(grownOf(context, list)));
  setGrown(context, list, replaceItems(context, list, { start: at, end: at }, [item]));
}

/** Removes the item at a position and returns it. */
export function takeItem(context: LowerContext, list: ListValue, index: Dim): Value {
  const items = grownOf(context, list);
  const item = readItem(context, items, index);
  const at = fromFront(context, index, lengthOf(items));
  setGrown(context, list, replaceItems(context, list, { start: at, end: addDims(at, 1) }, []));
  return item;
}
