import type { Scope } from '../symbolic/dim-emitter.ts';
import type { Cell } from '../symbolic/heap.ts';
import type { LeafType } from '../symbolic/merge.ts';
import { DictValue, ListValue, type Value } from '../symbolic/values.ts';
import type { BlockRun } from './block-run.ts';
import { cellKey } from './loop-leaves.ts';

/** A variable or a cell that a round may pass to the next round. */
export interface Slot {
  readonly key: string;
  readonly name?: string;
  readonly cell?: Cell;
  initial: Value;
  /** Rounds give the variable another list or dict, so each round starts with a copy of its own. */
  rebound?: true;
}

/** A leaf of a slot that rounds change. It is an input and an output of the body. */
export interface Carried {
  readonly initial: Value;
  type: LeafType;
}

/** A list to which every round appends one element. It becomes a scan output. */
export interface Scan {
  readonly list: ListValue;
  type: LeafType | undefined;
}

/** Ends a trial: the body reads a list that it was believed only to append to. */
export class ReadsScan extends Error {
  readonly list: ListValue;

  constructor(list: ListValue) {
    super();
    this.list = list;
  }
}

/** Whether a value is a list or dict, which has an identity. */
export function isObject(value: Value): boolean {
  return value instanceof ListValue || value instanceof DictValue;
}

/** A list or dict of its own with the same items. */
export function copyOfObject(value: Value): Value {
  if (value instanceof DictValue) return new DictValue(value.stored);
  if (!(value instanceof ListValue)) return value;
  const copy = new ListValue(value.stored, value.grown);
  copy.pieces = value.pieces;
  copy.declared = value.declared;
  return copy;
}

/** Whether a round only appended to a list. */
export function growsAtEnd(before: ListValue, after: ListValue): boolean {
  if (before.grown !== undefined || after.grown !== undefined || after.stored.length <= before.stored.length)
    return false;
  return before.stored.every((item, i) => item === after.stored[i]);
}

/** The values of a slot at the start and at the end of a round. */
export interface SlotRound {
  readonly slot: Slot;
  readonly before: Value;
  readonly after: Value;
  /** The graph of the body. */
  readonly scope: Scope;
}

/** The result of one trial of the body. */
export interface Round {
  readonly run: BlockRun & { readonly again: Value };
  readonly condition: string;
  readonly outputs: ReadonlyMap<string, Value>;
  readonly scanned: readonly (Value | undefined)[];
}

export function cellAfter(run: BlockRun, slot: Slot): Value | undefined {
  const change = run.changes.find(({ cell }) => slot.cell !== undefined && cellKey(cell) === slot.key);
  return change?.after;
}
