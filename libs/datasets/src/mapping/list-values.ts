import { formatShape } from '@sconce/tensor';
import { shown } from '../dataset-error.ts';

/** A row's list, flattened, with its shape; or why it is wrong. */
export type FlatList =
  { readonly values: ArrayLike<unknown>; readonly shape: readonly number[] } | { readonly problem: string };

/**
 * Flattens a list into the elements of a row's tensor. The list is nested like the shape, or flat with the same number of elements. -1 in
 * `rowShape` is a free axis; a flat list allows only one free axis. Text is read as JSON, which is how CSV stores lists.
 */
export function flatten(value: unknown, rowShape: readonly number[]): FlatList {
  const list = typeof value === 'string' ? parseList(value) : value;
  if (!isArrayLike(list)) {
    // One number counts as a list with one element.
    const isOne =
      list !== undefined && list !== null && list !== '' && rowShape.every((size) => size === 1 || size < 0);
    if (isOne && typeof list !== 'object') return { values: [list], shape: rowShape.map(() => 1) };
    const what = value === undefined || value === null || value === '' ? 'no value' : shown(value);
    return { problem: `${what}; expected a list of shape ${formatShape(rowShape)}` };
  }
  if (rowShape.length > 1 && list.length > 0 && isArrayLike(list[0])) return nested(list, rowShape);
  const shape = shapeOfFlat(list.length, rowShape);
  if (shape === undefined) {
    return { problem: `a list of ${list.length}; expected shape ${formatShape(rowShape)}` };
  }
  return { values: list, shape };
}

function nested(list: ArrayLike<unknown>, rowShape: readonly number[]): FlatList {
  let level: unknown[] = [list];
  const shape: number[] = [];
  for (const [axis, size] of rowShape.entries()) {
    const first = level[0];
    const length = isArrayLike(first) ? first.length : -1;
    const next: unknown[] = [];
    for (const part of level) {
      if (!isArrayLike(part) || part.length !== length || (size >= 0 && length !== size)) {
        return { problem: `a nested list that is not of shape ${formatShape(rowShape)} at level ${axis + 1}` };
      }
      for (const value of Array.from(part)) next.push(value);
    }
    shape.push(length);
    level = next;
  }
  return { values: level, shape };
}

function shapeOfFlat(length: number, rowShape: readonly number[]): readonly number[] | undefined {
  const known = rowShape.reduce((product, size) => (size < 0 ? product : product * size), 1);
  const free = rowShape.filter((size) => size < 0).length;
  if (free === 0) return length === known ? rowShape : undefined;
  if (free > 1 || known === 0 || length % known !== 0) return undefined;
  return rowShape.map((size) => (size < 0 ? length / known : size));
}

function parseList(text: string): unknown {
  const trimmed = text.trim();
  if (!trimmed.startsWith('[')) return text;
  try {
    return JSON.parse(trimmed);
  } catch {
    return text;
  }
}

function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}
