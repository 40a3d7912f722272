import type { ScalarType } from '../scalar-type.ts';
import type { Emitter } from './emitter.ts';
import { partsOf, sameStructure, withParts } from './list-parts.ts';
import { symbol, SymInt, valueAtom, type Dim } from './sym-int.ts';
import {
  DictValue,
  isTuple,
  kindOf,
  ListValue,
  MaybeValue,
  SymBool,
  SymFloat,
  SymStr,
  TensorValue,
  UninitializedValue,
  UnknownValue,
  type TupleValue,
  type Value,
} from './values.ts';

/** The ONNX type of a leaf: a tensor or number that passes into or out of a body's graph. */
export interface LeafType {
  /** A 'str' is held as its number, see {@link SymStr}. */
  readonly kind: 'tensor' | 'int' | 'float' | 'bool' | 'str';
  readonly dtype: ScalarType;
  readonly shape: readonly (Dim | null)[];
}

/** The type of a leaf; undefined for values that ONNX cannot hold (None, objects). */
export function leafType(value: Value): LeafType | undefined {
  if (value instanceof TensorValue) return { kind: 'tensor', dtype: value.dtype, shape: value.content.shape };
  if (typeof value === 'bigint' || value instanceof SymInt) return { kind: 'int', dtype: 'int64', shape: [] };
  if (typeof value === 'number' || value instanceof SymFloat) return { kind: 'float', dtype: 'float64', shape: [] };
  if (typeof value === 'boolean' || value instanceof SymBool) return { kind: 'bool', dtype: 'bool', shape: [] };
  if (typeof value === 'string' || value instanceof SymStr) return { kind: 'str', dtype: 'int64', shape: [] };
  return undefined;
}

/** A leaf as a tensor of its type in the current graph. */
export function leafTensor(emitter: Emitter, value: Value, type: LeafType): TensorValue {
  if (value instanceof TensorValue) return emitter.cast(value, type.dtype);
  if (type.kind === 'str' && typeof value === 'string') {
    return emitter.scalar(BigInt(emitter.stringId(value)), 'int64');
  }
  if (value instanceof SymStr) return emitter.scalar(value.id, 'int64');
  if (value === null || typeof value === 'string' || value instanceof UninitializedValue) {
    // This path never reads the value: any tensor of the right type and rank will do.
    const shape = type.shape.map(() => 0);
    return emitter.elements(shape.length === 0 ? [type.dtype === 'bool' ? false : 0n] : [], type.dtype, shape);
  }
  return emitter.scalar(value as Exclude<typeof value, object> & bigint, type.dtype);
}

/** The program's value for a graph value that holds a leaf. */
export function leafValue(emitter: Emitter, name: string, type: LeafType): Value {
  switch (type.kind) {
    case 'tensor':
      return emitter.graphTensor(name, type.dtype, type.shape);
    case 'int':
      return symbol(valueAtom(name, emitter.depth));
    case 'float':
      return new SymFloat(name, emitter.depth);
    case 'bool':
      return new SymBool({ kind: 'value', value: name, depth: emitter.depth });
    case 'str':
      return new SymStr(symbol(valueAtom(name, emitter.depth)) as SymInt);
  }
}

/** Whether two values are known to be the same at compile time. */
export function sameLeaf(a: Value | undefined, b: Value | undefined): boolean {
  if (Object.is(a, b)) return true;
  if (a instanceof SymInt && b instanceof SymInt) return a.key === b.key;
  if (a instanceof SymStr && b instanceof SymStr) return a.id.key === b.id.key;
  if (a instanceof SymFloat && b instanceof SymFloat) return a.value === b.value;
  if (a instanceof TensorValue && b instanceof TensorValue) {
    const [x, y] = [a.content, b.content];
    if (x === y) return true;
    return x.data.kind === 'graph' && y.data.kind === 'graph' && x.data.name === y.data.name && x.dtype === y.dtype;
  }
  if (a instanceof SymBool && b instanceof SymBool) {
    const [x, y] = [a.condition, b.condition];
    return x === y || (x.kind === 'value' && y.kind === 'value' && x.value === y.value);
  }
  return false;
}

/** The values of two paths cannot become one value. The message says why. */
export class CannotMerge extends Error {}

/**
 * Merges values of the same structure into one. Calls `leaf` for each place at which they differ.
 * @throws CannotMerge if the structures differ.
 */
export function mergeValues(values: readonly Value[], leaf: (values: readonly Value[]) => Value): Value {
  const [first] = values;
  if (first === undefined || values.every((value) => sameLeaf(value, first))) return first ?? null;
  if (values.some((value) => value instanceof UnknownValue)) return new UnknownValue();
  if (values.some((value) => value instanceof UninitializedValue)) return mergeUninitialized(values, leaf);
  if (values.every((value) => value instanceof ListValue)) {
    const lists = values as readonly ListValue[];
    const [list] = lists;
    if (list !== undefined && lists.every((other) => sameStructure(list, other))) {
      return withParts(list, mergeItems(lists.map(partsOf), leaf));
    }
    throw new CannotMerge('lists of different lengths');
  }
  if (values.every((value) => value instanceof DictValue)) {
    const dicts = values as readonly DictValue[];
    const keys = dicts.map((dict) => dict.stored.map(([key]) => String(key)).join('\n'));
    if (keys.every((key) => key === keys[0])) {
      const items = mergeItems(
        dicts.map((dict) => dict.stored.map(([, value]) => value)),
        leaf,
      );
      return new DictValue((dicts[0]?.stored ?? []).map(([key], i) => [key, items[i] ?? null] as const));
    }
    throw new CannotMerge('dicts with different keys');
  }
  if (values.every((value) => value instanceof MaybeValue)) {
    const maybe = values as readonly MaybeValue[];
    const present = mergeValues(
      maybe.map((value) => value.present),
      leaf,
    );
    const value = mergeValues(
      maybe.map((one) => one.value),
      leaf,
    );
    return new MaybeValue(present as MaybeValue['present'], value);
  }
  if (sameTuples(values))
    return {
      ...(first as TupleValue),
      items: mergeItems(
        values.map((value) => value.items),
        leaf,
      ),
    };
  const types = values.map(leafType);
  const [type] = types;
  if (type !== undefined && types.every((other) => other?.kind === type.kind)) return leaf(values);
  throw new CannotMerge(`${[...new Set(values.map(kindOf))].join(' and ')}`);
}

function mergeItems(rows: readonly (readonly Value[])[], leaf: (values: readonly Value[]) => Value): Value[] {
  return (rows[0] ?? []).map((_, i) =>
    mergeValues(
      rows.map((row) => row[i] ?? null),
      leaf,
    ),
  );
}

/** A variable that one path leaves uninitialised is only read on paths that gave it a value. */
function mergeUninitialized(values: readonly Value[], leaf: (values: readonly Value[]) => Value): Value {
  const given = values.filter((value) => !(value instanceof UninitializedValue));
  const [value] = given;
  if (value === undefined) return new UninitializedValue();
  const fill = (part: readonly Value[]): readonly Value[] => {
    let next = 0;
    return values.map((original) => (original instanceof UninitializedValue ? original : (part[next++] ?? null)));
  };
  return mergeEveryLeaf(given, (parts) => leaf(fill(parts)));
}

/**
 * As {@link mergeValues}, but calls `leaf` for every leaf that ONNX can hold, even if all are the same object: that object may exist on
 * one path only.
 */
function mergeEveryLeaf(values: readonly Value[], leaf: (values: readonly Value[]) => Value): Value {
  const [first] = values;
  if (sameTuples(values)) {
    const rows = values.map((value) => value.items);
    return {
      ...(first as TupleValue),
      items: (rows[0] ?? []).map((_, i) =>
        mergeEveryLeaf(
          rows.map((row) => row[i] ?? null),
          leaf,
        ),
      ),
    };
  }
  if (first !== undefined && leafType(first) !== undefined) return leaf(values);
  return mergeValues(values, leaf);
}

function sameTuples(values: readonly Value[]): values is readonly TupleValue[] {
  return values.every((value) => isTuple(value) && value.items.length === (values[0] as TupleValue).items.length);
}
