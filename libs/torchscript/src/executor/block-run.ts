import type { Scope } from '../symbolic/dim-emitter.ts';
import type { Cell } from '../symbolic/heap.ts';
import { isTuple, ListValue, MaybeValue, TensorValue, type Value } from '../symbolic/values.ts';
import type { Frame } from './frame.ts';
import type { RaisedException } from './raised-exception.ts';

/** The result of a block that was executed on trial. */
export interface BlockRun {
  readonly scope: Scope;
  /** The variables at the end of the block, with tensors as they are at that moment. */
  readonly frame: Frame;
  readonly changes: readonly { readonly cell: Cell; readonly after: Value | undefined }[];
  readonly raised: RaisedException | undefined;
}

/** The content that an object has at the end of a block, if the block changed it; otherwise the value itself. */
export function contentAfter({ changes }: BlockRun, value: Value): Value {
  return changes.find(({ cell }) => cell.target === value && cell.attribute === undefined)?.after ?? value;
}

/** Cells that one of the branches changed, with their values after each branch. */
export function changedCells(
  then: BlockRun,
  otherwise: BlockRun,
): { readonly cell: Cell; readonly a: Value | undefined; readonly b: Value | undefined }[] {
  const keyed = new Map<object, Map<string, { cell: Cell; a: Value | undefined; b: Value | undefined }>>();
  for (const [run, side] of [[then, 'a'] as const, [otherwise, 'b'] as const]) {
    for (const { cell, after } of run.changes) {
      const cells =
        keyed.get(cell.target) ?? new Map<string, { cell: Cell; a: Value | undefined; b: Value | undefined }>();
      keyed.set(cell.target, cells);
      const key = cell.attribute ?? '';
      const present = cells.get(key) ?? { cell, a: cell.get(), b: cell.get() };
      present[side] = after;
      cells.set(key, present);
    }
  }
  return [...keyed.values()].flatMap((cells) => [...cells.values()]);
}

/** The value with views that were made since `start` replaced by plain tensors, because the changes of their bases will be undone. */
export function detachViews(value: Value, start: number): Value {
  if (value instanceof TensorValue) {
    return value.view !== undefined && value.serial >= start ? new TensorValue(value.content) : value;
  }
  if (value instanceof ListValue && value.serial >= start) {
    value.stored = value.stored.map((item) => detachViews(item, start));
  }
  if (isTuple(value)) {
    return { ...value, items: value.items.map((item) => detachViews(item, start)) };
  }
  if (value instanceof MaybeValue) return new MaybeValue(value.present, detachViews(value.value, start));
  return value;
}
