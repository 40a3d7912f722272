import type { TypeExpr } from '../frontend/ast.ts';
import type { ScalarType } from '../scalar-type.ts';
import { sameForm } from './list-parts.ts';
import type { LowerContext } from './lower-context.ts';
import { CannotMerge, leafType } from './merge.ts';
import { asScalar } from './scalar-elements.ts';
import { addDims, depthOf, mulDims, productOf, sameDim, SymInt, type Dim } from './sym-int.ts';
import {
  isTuple,
  ListValue,
  SymStr,
  TensorValue,
  UninitializedValue,
  UnknownValue,
  type Column,
  type GrownItems,
  type ItemForm,
  type Scalar,
  type Value,
} from './values.ts';

/** The type of one leaf of all items of a list. */
export interface ColumnType {
  readonly dtype: ScalarType;
  /** The shape of a leaf. A size that is known only at run time is null. */
  readonly shape: readonly (Dim | null)[];
  /** Whether the leaves may have different shapes. */
  readonly ragged: boolean;
}

/** The type of the items of a list of unknown length. */
export interface GrownType {
  readonly form: ItemForm;
  readonly columns: readonly ColumnType[];
}

const NUMBERS = { int: 'int64', float: 'float64', bool: 'bool', str: 'int64' } as const;

/**
 * The type of a list's items. Undefined if nothing tells it, because the list is empty or its items are results of unsupported
 * operators. @throws CannotMerge if the items have no common type.
 */
export function typeOfItems(list: ListValue): GrownType | undefined {
  const { grown } = list;
  if (grown !== undefined) return { form: grown.form, columns: grown.columns.map(typeOfColumn) };
  if (list.pieces !== undefined)
    throw new CannotMerge('a list of pieces of different sizes of an axis after the first');
  const types = list.stored.flatMap((item) => (isUnread(item) ? [] : [typeOfItem(item)]));
  const known = types.filter((type) => type !== undefined);
  const [first] = known;
  return first === undefined ? declaredType(list.declared) : known.reduce(joinTypes, first);
}

const isUnread = (item: Value): boolean => item instanceof UnknownValue || item instanceof UninitializedValue;

function typeOfColumn({ data, sizes }: Column): ColumnType {
  const shape = data.content.shape.slice(1);
  if (sizes === undefined) return { dtype: data.dtype, shape, ragged: false };
  const rank = sizes.content.shape[1];
  return { dtype: data.dtype, shape: Array.from({ length: Number(rank) }, () => null), ragged: true };
}

function declaredType(type: TypeExpr | undefined): GrownType | undefined {
  const kind = type?.name;
  if (kind === 'int' || kind === 'float' || kind === 'bool' || kind === 'str') {
    return { form: { kind }, columns: [{ dtype: NUMBERS[kind], shape: [], ragged: false }] };
  }
  const of = kind === 'List' ? declaredType(type?.args[0]) : undefined;
  return of === undefined ? undefined : listOf(of);
}

/** The type of a list as an item of another list: the leaves of its items have one axis more. */
function listOf({ form, columns }: GrownType): GrownType {
  if (columns.some(({ ragged }) => ragged)) {
    throw new CannotMerge('a list of lists of tensors of different sizes');
  }
  return {
    form: { kind: 'list', of: form },
    columns: columns.map((column) => ({ ...column, shape: [null, ...column.shape] })),
  };
}

/** The type of one item. Undefined if it is an empty list that does not say the type of its items. */
function typeOfItem(item: Value): GrownType | undefined {
  if (item instanceof ListValue) {
    const of = typeOfItems(item);
    if (of === undefined) return undefined;
    const type = listOf(of);
    if (item.grown !== undefined) return type;
    return {
      ...type,
      columns: type.columns.map((column) => ({ ...column, shape: [item.stored.length, ...column.shape.slice(1)] })),
    };
  }
  if (isTuple(item)) {
    const parts = item.items.map(typeOfItem);
    if (!parts.every((part) => part !== undefined)) return undefined;
    const form: ItemForm = { kind: 'tuple', items: parts.map((part) => part.form), named: item.named };
    return { form, columns: parts.flatMap((part) => part.columns) };
  }
  const type = leafType(item);
  if (type === undefined) {
    throw new CannotMerge(
      'a list of unknown length with items that are not tensors, numbers, strings or tuples of these',
    );
  }
  return { form: { kind: type.kind }, columns: [{ dtype: type.dtype, shape: type.shape, ragged: false }] };
}

/** The type of items of which some have type `a` and others have type `b`. @throws CannotMerge if there is none. */
export function joinTypes(a: GrownType, b: GrownType): GrownType {
  if (!sameForm(a.form, b.form))
    throw new CannotMerge(`a list of items of different types: ${a.form.kind} and ${b.form.kind}`);
  const columns = a.columns.map((column, i): ColumnType => {
    const other = b.columns[i] ?? column;
    if (column.dtype !== other.dtype)
      throw new CannotMerge(`a list of tensors of ${column.dtype} and of ${other.dtype}`);
    if (column.shape.length !== other.shape.length) {
      throw new CannotMerge(`a list of tensors of rank ${column.shape.length} and of rank ${other.shape.length}`);
    }
    const same = column.shape.every((dim, axis) => dim !== null && isSameDim(dim, other.shape[axis] ?? null));
    const shape = column.shape.map((dim, axis) => (isSameDim(dim, other.shape[axis] ?? null) ? dim : null));
    return { dtype: column.dtype, shape, ragged: column.ragged || other.ragged || !same };
  });
  return { form: a.form, columns };
}

const isSameDim = (a: Dim | null, b: Dim | null): boolean => a !== null && b !== null && sameDim(a, b);

/**
 * The type of the items that a list has before and after a round of a loop at `depth`. A size that is computed in a round may differ
 * from round to round, so its column is ragged.
 */
export function typeOfRounds(before: ListValue, after: ListValue, depth: number): GrownType | undefined {
  const [a, b] = [typeOfItems(before), typeOfItems(after)];
  const type = a === undefined || b === undefined ? (a ?? b) : joinTypes(a, b);
  if (type === undefined) return undefined;
  const columns = type.columns.map((column) => {
    const shape = column.shape.map((dim) => (dim !== null && depthOf(dim) <= depth ? dim : null));
    return { ...column, shape, ragged: column.ragged || shape.includes(null) };
  });
  return { form: type.form, columns };
}

/**
 * The type of the items of two lists, of which a branch at `depth` chooses one. A column is ragged only if it is in one of them. Sizes
 * that only one of the ways knows are null.
 */
export function typeOfWays(a: ListValue, b: ListValue, depth: number): GrownType | undefined {
  const [x, y] = [typeOfItems(a), typeOfItems(b)];
  const type = x === undefined || y === undefined ? (x ?? y) : joinTypes(x, y);
  return (
    type && {
      form: type.form,
      columns: type.columns.map(({ dtype, shape }, i) => ({
        dtype,
        shape: shape.map((dim) => (dim !== null && depthOf(dim) <= depth ? dim : null)),
        ragged: x?.columns[i]?.ragged === true || y?.columns[i]?.ragged === true,
      })),
    }
  );
}

/** Whether some leaves of the items may have different shapes. */
export function hasRagged({ columns }: GrownType): boolean {
  return columns.some(({ ragged }) => ragged);
}

/** The items of a list in the form of a list of unknown length. */
export function growItems(context: LowerContext, list: ListValue, type: GrownType): GrownItems {
  const { grown } = list;
  if (grown !== undefined) {
    const columns = grown.columns.map((column, i) =>
      type.columns[i]?.ragged === true ? raggedColumn(context, column) : column,
    );
    return { form: grown.form, columns };
  }
  // Items without a value are in a list that no path reads.
  const items = list.stored.filter((item) => !(item instanceof UninitializedValue));
  const rows = items.map((item) => leavesOf(context, item, type.form));
  const columns = type.columns.map((column, i) =>
    columnOf(
      context,
      rows.map((row) => row[i]).filter((leaf) => leaf !== undefined),
      column,
    ),
  );
  return { form: type.form, columns };
}

/** The tensors that hold the leaves of an item. @throws CannotMerge if the item does not have the form. */
export function leavesOf(context: LowerContext, item: Value, form: ItemForm): TensorValue[] {
  if (form.kind === 'list') {
    if (!(item instanceof ListValue)) throw new CannotMerge('a list of lists and of other items');
    const type = typeOfItems(item) ?? { form: form.of, columns: emptyColumns(form.of) };
    return growItems(context, item, type).columns.map(({ data, sizes }) => {
      if (sizes !== undefined) throw new CannotMerge('a list of lists of tensors of different sizes');
      return data;
    });
  }
  if (form.kind === 'tuple') {
    if (!isTuple(item)) throw new CannotMerge('a list of tuples and of other items');
    return item.items.flatMap((part, i) => leavesOf(context, part, form.items[i] ?? form));
  }
  if (item instanceof TensorValue && form.kind === 'tensor') {
    context.heap.freeze(item, 'a change in place of a tensor that is in a list of unknown length');
    return [new TensorValue(item.content)];
  }
  // A trace holds numbers as tensors of rank 0.
  if (item instanceof TensorValue && item.rank === 0 && form.kind !== 'str')
    return [context.cast(item, NUMBERS[form.kind as 'int'])];
  if (form.kind === 'str' && typeof item === 'string') return [context.scalar(BigInt(context.stringId(item)), 'int64')];
  if (item instanceof SymStr) return [context.scalar(item.id, 'int64')];
  if (item instanceof UnknownValue)
    return [context.scalar(0n, form.kind === 'tensor' ? 'float32' : NUMBERS[form.kind])];
  const kind = leafType(item)?.kind;
  if (kind === undefined || kind !== form.kind || kind === 'tensor') {
    throw new CannotMerge(`a list of items of different types: ${form.kind} and ${kind ?? 'others'}`);
  }
  return [context.scalar(item as Scalar, NUMBERS[kind])];
}

function emptyColumns(form: ItemForm): ColumnType[] {
  if (form.kind === 'tuple') return form.items.flatMap(emptyColumns);
  if (form.kind === 'list' || form.kind === 'tensor') throw new CannotMerge('a list of empty lists');
  return [{ dtype: NUMBERS[form.kind], shape: [], ragged: false }];
}

function columnOf(context: LowerContext, leaves: readonly TensorValue[], { dtype, shape, ragged }: ColumnType): Column {
  if (ragged) {
    const flat = leaves.map((leaf) => context.reshape(leaf, [productOf(leaf.content.shape)]));
    const sizes = leaves.flatMap((leaf) => leaf.content.shape.map(asScalar));
    return {
      data: joined(context, flat, { dtype, shape: [] }),
      sizes: context.elements(sizes, 'int64', [leaves.length, shape.length]),
    };
  }
  const known = leaves.map((leaf) => (leaf.rank === 0 ? context.elementsOf(leaf)?.[0] : undefined));
  if (known.length > 0 && known.every((element) => element !== undefined)) {
    return { data: context.elements(known, dtype, [known.length]) };
  }
  const rows = leaves.map((leaf) => context.reshape(leaf, [1, ...leaf.content.shape]));
  return { data: joined(context, rows, { dtype, shape }) };
}

/** Joins tensors along axis 0. `item` is the type of what lies below it. */
function joined(
  context: LowerContext,
  parts: readonly TensorValue[],
  item: Pick<ColumnType, 'dtype' | 'shape'>,
): TensorValue {
  const { dtype, shape } = item;
  const [first] = parts;
  if (first === undefined) {
    const sizes = [0, ...shape.map((dim) => dim ?? 0)];
    if (sizes.every((size) => typeof size === 'number')) return context.elements([], dtype, sizes);
    const one = context.reshape(
      context.scalar(0n, dtype),
      sizes.map(() => 1),
    );
    return context.node('Expand', [one, context.ints(sizes)], { shape: sizes, adapt: false });
  }
  if (parts.length === 1) return first;
  const count = parts.reduce<Dim>((sum, part) => addDims(sum, part.content.shape[0] ?? 1), 0);
  return context.node('Concat', parts, {
    dtype,
    shape: [count, ...first.content.shape.slice(1)],
    attributes: { axis: { int: 0 } },
    adapt: false,
  });
}

/** The column in the form for leaves of different shapes. */
export function raggedColumn(context: LowerContext, column: Column): Column {
  const { data, sizes } = column;
  if (sizes !== undefined) return column;
  const [count = 0, ...item] = data.content.shape;
  const one = context.elements(item.map(asScalar), 'int64', [1, item.length]);
  return {
    data: context.reshape(data, [mulDims(count, productOf(item))]),
    sizes: context.expand(one, [count, item.length]),
  };
}

/** The item whose leaves are these tensors. */
export function itemOf(context: LowerContext, form: ItemForm, leaves: readonly TensorValue[]): Value {
  const rest = [...leaves];
  const take = (of: ItemForm): Value => {
    if (of.kind === 'tuple') {
      return { kind: 'tuple', items: of.items.map(take), ...(of.named === undefined ? {} : { named: of.named }) };
    }
    if (of.kind === 'list') {
      const columns = rest.splice(0, countLeaves(of.of)).map((data): Column => ({ data }));
      const list = new ListValue([], { form: of.of, columns });
      context.heap.freeze(list, 'a change of a list that is an item of a list of unknown length');
      return list;
    }
    const leaf = rest.shift();
    if (leaf === undefined || of.kind === 'tensor') return leaf ?? null;
    const value = context.item(leaf);
    if (of.kind !== 'str') return value;
    return value instanceof SymInt ? new SymStr(value) : (context.strings[Number(value)] ?? '');
  };
  return take(form);
}

function countLeaves(form: ItemForm): number {
  if (form.kind === 'tuple') return form.items.reduce((sum, item) => sum + countLeaves(item), 0);
  return form.kind === 'list' ? countLeaves(form.of) : 1;
}

/** The number of items of a list of unknown length. */
export function lengthOf({ columns }: GrownItems): Dim {
  const [column] = columns;
  return (column?.sizes ?? column?.data)?.content.shape[0] ?? 0;
}
