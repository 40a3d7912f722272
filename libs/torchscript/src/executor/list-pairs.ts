import {
  DictValue,
  isTuple,
  ListValue,
  MaybeValue,
  UninitializedValue,
  UnknownValue,
  type Value,
} from '../symbolic/values.ts';

/** Changes two lists at the same place of two values. */
export type ChangeLists = (a: ListValue, b: ListValue) => readonly [ListValue, ListValue];

/** A value that stands for one of the type of `value` that no path reads. */
function unreadLike(value: Value): Value {
  if (isTuple(value)) return { ...value, items: value.items.map(unreadLike) };
  if (value instanceof MaybeValue) return new MaybeValue(false, unreadLike(value.value));
  if (value instanceof ListValue) return new ListValue(value.stored.map(unreadLike));
  if (value instanceof DictValue) return withValues(value, valuesOf(value).map(unreadLike));
  return new UninitializedValue();
}

const hasParts = (value: Value): boolean =>
  value instanceof ListValue || value instanceof DictValue || value instanceof MaybeValue || isTuple(value);

/** A value beside another one that may be None: the value as an Optional. */
function asMaybe(value: Value, other: Value): MaybeValue {
  if (value instanceof MaybeValue) return value;
  const like = other instanceof MaybeValue ? other.value : other;
  return value === null ? new MaybeValue(false, unreadLike(like)) : new MaybeValue(true, value);
}

const isUnread = (value: Value): boolean => value instanceof UninitializedValue || value instanceof UnknownValue;

/** Whether one of two values is None, or may be, and the other one differs. */
function mayBeNone(a: Value, b: Value): boolean {
  if (isUnread(a) || isUnread(b)) return false;
  return (a === null) !== (b === null) || a instanceof MaybeValue || b instanceof MaybeValue;
}

/**
 * Walks over two values of one variable. Calls `change` for each pair of lists at the same place, unless both have the same length,
 * known at compile time: then it walks over their items. A value beside None becomes an Optional. Objects that do not change are kept.
 */
export function mapListPairs(a: Value, b: Value, change: ChangeLists): readonly [Value, Value] {
  if (a === b) return [a, b];
  if (a instanceof UninitializedValue && hasParts(b)) return mapListPairs(unreadLike(b), b, change);
  if (b instanceof UninitializedValue && hasParts(a)) return mapListPairs(a, unreadLike(a), change);
  if (mayBeNone(a, b)) {
    const [x, y] = [asMaybe(a, b), asMaybe(b, a)];
    const [first, second] = mapListPairs(x.value, y.value, change);
    return [
      first === x.value ? x : new MaybeValue(x.present, first),
      second === y.value ? y : new MaybeValue(y.present, second),
    ];
  }
  if (a instanceof ListValue && b instanceof ListValue) {
    const known = a.grown === undefined && b.grown === undefined && a.stored.length === b.stored.length;
    if (!known) return change(a, b);
    const [x, y] = mapItems(a.stored, b.stored, change);
    return [x === a.stored ? a : new ListValue(x), y === b.stored ? b : new ListValue(y)];
  }
  if (a instanceof DictValue && b instanceof DictValue && a.stored.length === b.stored.length) {
    const [x, y] = mapItems(valuesOf(a), valuesOf(b), change);
    return [withValues(a, x), withValues(b, y)];
  }
  if (isTuple(a) && isTuple(b) && a.items.length === b.items.length) {
    const [x, y] = mapItems(a.items, b.items, change);
    return [x === a.items ? a : { ...a, items: x }, y === b.items ? b : { ...b, items: y }];
  }
  return [a, b];
}

function mapItems(
  a: readonly Value[],
  b: readonly Value[],
  change: ChangeLists,
): readonly [readonly Value[], readonly Value[]] {
  const pairs = a.map((item, i) => mapListPairs(item, b[i] ?? null, change));
  const [x, y] = [pairs.map(([item]) => item), pairs.map(([, item]) => item)];
  return [x.every((item, i) => item === a[i]) ? a : x, y.every((item, i) => item === b[i]) ? b : y];
}

/** The values of a dict, in the order of its keys. */
export function valuesOf(dict: DictValue): readonly Value[] {
  return dict.stored.map(([, value]) => value);
}

/** The dict with other values. */
export function withValues(dict: DictValue, values: readonly Value[]): DictValue {
  if (values.every((value, i) => value === dict.stored[i]?.[1])) return dict;
  return new DictValue(dict.stored.map(([key], i) => [key, values[i] ?? null] as const));
}
