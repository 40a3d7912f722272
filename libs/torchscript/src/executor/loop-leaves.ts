import type { GraphBuilder } from '@sconce/onnx';

import type { Cell } from '../symbolic/heap.ts';
import { partsOf, sameStructure, withParts } from '../symbolic/list-parts.ts';
import { CannotMerge, type LeafType } from '../symbolic/merge.ts';
import { onnxTypeOf } from '../symbolic/onnx-types.ts';
import { depthOf } from '../symbolic/sym-int.ts';
import { DictValue, isTuple, ListValue, MaybeValue, UnknownValue, type Value } from '../symbolic/values.ts';
import { valuesOf, withValues } from './list-pairs.ts';

/** Adds an input to the graph of a body. */
export function bodyInput(builder: GraphBuilder, hint: string, dtype: LeafType['dtype'], rank = 0): string {
  return builder.bodyInput(hint, { datatype: onnxTypeOf(dtype), shape: Array.from({ length: rank }, () => null) });
}

const cellIds = new WeakMap<object, number>();
let cells = 0;

/** A key of the place that a cell is. */
export function cellKey(cell: Cell): string {
  let id = cellIds.get(cell.target);
  if (id === undefined) cellIds.set(cell.target, (id = cells++));
  return `@${id}.${cell.attribute ?? ''}`;
}

/** The value with every leaf of its tuples, lists and dicts replaced. `ofColumn` says that the leaf holds items of a list of unknown length. */
export function mapLeaves(value: Value, replace: (leaf: Value, ofColumn: boolean) => Value, ofColumn = false): Value {
  const map = (item: Value): Value => mapLeaves(item, replace);
  if (value instanceof ListValue) {
    const parts = partsOf(value);
    const mapped = parts.map((part) => (value.grown === undefined ? map(part) : replace(part, true)));
    return mapped.every((part, i) => part === parts[i]) ? value : withParts(value, mapped);
  }
  if (value instanceof DictValue) return withValues(value, valuesOf(value).map(map));
  if (isTuple(value)) return { ...value, items: value.items.map(map) };
  if (value instanceof MaybeValue) {
    const [present, inner] = [map(value.present), map(value.value)];
    const same = present === value.present && inner === value.value;
    return same ? value : new MaybeValue(present as MaybeValue['present'], inner);
  }
  return replace(value, ofColumn);
}

/** Calls `visit` for each pair of leaves at the same place of two values. @throws CannotMerge if their structures differ. */
export function visitLeafPairs(a: Value, b: Value, visit: (a: Value, b: Value) => void): void {
  if (a === b || a instanceof UnknownValue || b instanceof UnknownValue) {
    mapLeaves(a, (leaf) => (visit(leaf, leaf), leaf));
    return;
  }
  const [x, y] = [innerOf(a), innerOf(b)];
  if (x === undefined && y === undefined) return visit(a, b);
  if (x === undefined || y === undefined || x.length !== y.length || !isLike(a, b)) {
    throw new CannotMerge('a list, tuple or dict of changing length');
  }
  x.forEach((item, i) => {
    visitLeafPairs(item, y[i] ?? null, visit);
  });
}

function innerOf(value: Value): readonly Value[] | undefined {
  if (value instanceof ListValue) return partsOf(value);
  if (value instanceof DictValue) return valuesOf(value);
  if (value instanceof MaybeValue) return [value.present, value.value];
  return isTuple(value) ? value.items : undefined;
}

function isLike(a: Value, b: Value): boolean {
  if (a instanceof ListValue && b instanceof ListValue) return sameStructure(a, b);
  if (a instanceof DictValue && b instanceof DictValue) {
    return a.stored.every(([key], i) => String(key) === String(b.stored[i]?.[0]));
  }
  return (isTuple(a) && isTuple(b)) || (a instanceof MaybeValue && b instanceof MaybeValue);
}

/**
 * The type with which a leaf is passed to the next round of a loop at `depth`. Sizes that change between rounds are free. A leaf that has
 * no value before the loop has the sizes that the first round gives it. @throws CannotMerge
 */
export function carriedType(initial: LeafType | undefined, after: LeafType | undefined, depth: number): LeafType {
  const [type, other] = [initial ?? after, after ?? initial];
  if (type === undefined || other === undefined) throw new CannotMerge('not a tensor, number or string');
  if (type.kind !== other.kind || type.dtype !== other.dtype) {
    const [a, b] = [type, other].map(({ kind, dtype }) => (kind === 'tensor' ? dtype : kind));
    throw new CannotMerge(`${a} in one round and ${b} in another`);
  }
  if (type.shape.length !== other.shape.length) {
    throw new CannotMerge(`of rank ${type.shape.length} in one round and ${other.shape.length} in another`);
  }
  if (initial !== undefined) return type;
  return { ...type, shape: type.shape.map((dim) => (dim !== null && depthOf(dim) <= depth ? dim : null)) };
}
