import type { GraphBuilder } from '@sconce/onnx';

import { assignedNames } from '../frontend/assigned-names.ts';
import type { BlockRun, ControlFlow, LoopToBuild } from './control-flow.ts';
import { declareOutput } from './declare-output.ts';
import type { Frame } from './frame.ts';
import type { Scope } from '../symbolic/dim-emitter.ts';
import type { Emitter } from '../symbolic/emitter.ts';
import type { Cell } from '../symbolic/heap.ts';
import type { Interpreter } from './interpreter.ts';
import { CannotMerge, leafTensor, leafType, leafValue, sameLeaf, type LeafType } from '../symbolic/merge.ts';
import { onnxTypeOf } from '../symbolic/onnx-types.ts';
import { asScalar } from '../symbolic/scalar-elements.ts';
import { depthOf, sameDim, symbol, valueAtom, type Dim } from '../symbolic/sym-int.ts';
import { isTuple, ListValue, TensorValue, UnknownValue, type Value } from '../symbolic/values.ts';

/** A variable or a cell that a round may pass to the next round. */
interface Slot {
  readonly key: string;
  readonly name?: string;
  readonly cell?: Cell;
  readonly initial: Value;
}

/** A leaf of a slot that rounds change. It is an input and an output of the body. */
interface Carried {
  readonly initial: Value;
  type: LeafType;
}

/** A list to which every round appends one element. It becomes a scan output. */
interface Scan {
  readonly list: ListValue;
  type: LeafType | undefined;
}

const MAX_TRIALS = 12;

/** The parts of the executor that build a loop. */
interface LoopParts {
  readonly interpreter: Interpreter;
  readonly emitter: Emitter;
  readonly control: ControlFlow;
}

/**
 * Builds a Loop node. It finds by trial which variables, tensors and attributes a round passes to the next, and with which shapes.
 * The first trial executes the body as if nothing changed between rounds. Values that do change become inputs of the body, and
 * sizes that change become free. Then the body is executed again, until a trial finds nothing new.
 */
export class LoopBuilder {
  readonly #interpreter: Interpreter;
  readonly #emitter: Emitter;
  readonly #control: ControlFlow;
  readonly #loop: LoopToBuild;
  readonly #frame: Frame;
  readonly #slots: Slot[] = [];
  readonly #carried = new Map<string, Carried>();
  readonly #scans = new Map<ListValue, Scan>();
  #stable = false;

  constructor(parts: LoopParts, loop: LoopToBuild, frame: Frame) {
    this.#interpreter = parts.interpreter;
    this.#emitter = parts.emitter;
    this.#control = parts.control;
    this.#loop = loop;
    this.#frame = frame;
    for (const name of assignedNames(loop.statement.body)) {
      const initial = frame.get(name);
      if (initial !== undefined) this.#slots.push({ key: name, name, initial });
    }
  }

  build(): void {
    try {
      for (let trial = 0; trial < MAX_TRIALS; trial++) {
        this.#stable = true;
        const round = this.#round();
        if (this.#stable) {
          this.#finish(round);
          return;
        }
      }
      throw new CannotMerge('of a different type in every round');
    } catch (thrown) {
      if (!(thrown instanceof CannotMerge)) throw thrown;
      this.#interpreter.report.add({
        op: 'prim::Loop',
        reason: `a value that the loop passes to its next round is ${thrown.message}`,
        hint: 'a compiled loop needs the same type and rank in every round; fix the number of rounds with --arg or --input',
        at: this.#loop.statement.at,
      });
      this.#control.executeUnknown([this.#loop.statement.body], this.#frame);
    }
  }

  /** Executes the body once, as any round after the first, and finds further values that it passes on. */
  #round(): Round {
    const emitter = this.#emitter;
    const { statement } = this.#loop;
    const scope = emitter.newScope();
    const { builder } = scope;
    const iteration = input(builder, 'i', 'int64');
    const condition = input(builder, 'go', 'bool');
    const frame: Frame = new Map(this.#frame);
    const before = new Map<string, Value>();
    const inputs = new Map<string, Value>();
    emitter.within(scope, () => {
      for (const [key, carried] of this.#carried) {
        const name = input(builder, 'carried', carried.type.dtype, carried.type.shape.length);
        inputs.set(key, leafValue(emitter, name, carried.type));
      }
    });
    // Cells change at the start of the round inside the trial, so that these changes are undone too.
    const run = this.#runBody(scope, frame, () => {
      for (const slot of this.#slots) {
        const value = this.#replaceLeaves(slot.key, slot.initial, inputs);
        before.set(slot.key, value);
        if (slot.name !== undefined) frame.set(slot.name, value);
        else if (slot.cell !== undefined) this.#control.apply(slot.cell, value);
      }
      for (const { list } of this.#scans.values()) {
        emitter.heap.setItems(list, []);
        list.appendOnly = () =>
          emitter.unsupported(
            'the loop reads a list to which it also appends, and its number of rounds depends on the input',
          );
      }
      if (statement.kind === 'for') frame.set(statement.variable, symbol(valueAtom(iteration, scope.depth)));
    });
    if (run.raised !== undefined) throw run.raised;
    const outputs = new Map<string, Value>();
    for (const { cell, after } of run.changes) this.#noteChange(cell, after);
    for (const slot of this.#slots) {
      const start = before.get(slot.key);
      if (start === undefined) continue;
      const after = slot.name !== undefined ? run.frame.get(slot.name) : cellAfter(run, slot);
      if (after !== undefined) this.#compare({ slot, before: start, after }, inputs, outputs);
    }
    const scanned = [...this.#scans.values()].map((scan) => this.#scanned(scan, run));
    return { run, condition, outputs, scanned };
  }

  #runBody(scope: Scope, frame: Frame, prepare: () => void): BlockRun & { readonly again: Value } {
    let again: Value = true;
    const { statement } = this.#loop;
    const lists = [...this.#scans.keys()];
    try {
      const run = this.#control.run(statement.body, frame, {
        scope,
        prepare,
        conclude: () => {
          if (statement.kind === 'while') again = this.#control.evaluateTest(statement.test, frame);
        },
      });
      return { ...run, again };
    } finally {
      for (const list of lists) list.appendOnly = undefined;
    }
  }

  /** Notes a cell that the body changes and that has no slot: it gets one, or is a list to which the body only appends. */
  #noteChange(cell: Cell, after: Value | undefined): void {
    const { target } = cell;
    if (target instanceof ListValue) {
      if (this.#scans.has(target)) return;
      if (after instanceof ListValue && after.stored.length > target.stored.length) {
        this.#scans.set(target, { list: target, type: undefined });
        this.#stable = false;
        return;
      }
    }
    const key = cellKey(cell);
    if (this.#slots.some((slot) => slot.key === key)) return;
    const initial = cell.get();
    if (initial === undefined) throw new CannotMerge('an attribute that does not exist before the loop');
    this.#slots.push({ key, cell, initial });
    this.#stable = false;
  }

  /** The slot's value with the body's inputs in place of its carried leaves. */
  #replaceLeaves(key: string, initial: Value, inputs: ReadonlyMap<string, Value>): Value {
    let at = 0;
    return mapLeaves(initial, (leaf) => inputs.get(`${key}#${at++}`) ?? leaf);
  }

  /** Compares a slot's values before and after a round. Notes changed leaves as carried, and puts their new values into `outputs`. */
  #compare({ slot, before, after }: SlotRound, inputs: ReadonlyMap<string, Value>, outputs: Map<string, Value>): void {
    const initialLeaves: Value[] = [];
    mapLeaves(slot.initial, (leaf) => (initialLeaves.push(leaf), leaf));
    let at = 0;
    visitLeafPairs(before, after, (start, end) => {
      const index = at++;
      const key = `${slot.key}#${index}`;
      const carried = this.#carried.get(key);
      if (carried === undefined) {
        if (sameLeaf(start, end)) return;
        const type = carriedType(leafType(initialLeaves[index] ?? null), leafType(end));
        this.#carried.set(key, { initial: initialLeaves[index] ?? null, type });
        this.#stable = false;
        return;
      }
      const type = carriedType(carried.type, leafType(end));
      const start0 = inputs.get(key);
      const shape = type.shape.map((_, axis) => {
        const given = start0 instanceof TensorValue ? start0.content.shape[axis] : undefined;
        const given0 = carried.type.shape[axis] ?? null;
        const result = leafType(end)?.shape[axis] ?? null;
        if (given0 === null) return null;
        return given !== undefined && result !== null && sameDim(given, result) ? given0 : null;
      });
      if (shape.some((dim, axis) => dim === null && carried.type.shape[axis] !== null)) this.#stable = false;
      if (type.kind !== carried.type.kind || type.dtype !== carried.type.dtype)
        throw new CannotMerge('of changing type');
      carried.type = { ...carried.type, shape };
      outputs.set(key, end);
    });
  }

  /** The element that the round appended to a list. */
  #scanned(scan: Scan, run: BlockRun): Value {
    const change = run.changes.find(({ cell }) => cell.target === scan.list);
    const items = change?.after instanceof ListValue ? change.after.stored : [];
    const [item] = items;
    if (items.length !== 1 || item === undefined)
      throw new CannotMerge('a list that does not grow by one element in every round');
    const type = leafType(item);
    if (type === undefined) throw new CannotMerge('a list of elements that are not tensors or numbers');
    scan.type = type;
    return item;
  }

  #finish({ run, condition, outputs, scanned }: Round): void {
    const emitter = this.#emitter;
    const { scope } = run;
    const carried = [...this.#carried];
    const scans = [...this.#scans.values()];
    emitter.within(scope, () => {
      const { again } = run;
      // An unknown condition has been reported already, so any value will do.
      const test = again instanceof UnknownValue ? false : (again as Parameters<Emitter['condition']>[0]);
      const go = again === true ? condition : emitter.condition(test);
      scope.builder.output({
        name: scope.builder.node('Identity', [go], { hint: 'go_on' }),
        datatype: 'BOOL',
        shape: [],
      });
      for (const [key, { type }] of carried)
        declareOutput(emitter, leafTensor(emitter, outputs.get(key) ?? null, type));
      scans.forEach(({ type }, i) => {
        if (type !== undefined) declareOutput(emitter, leafTensor(emitter, scanned[i] ?? null, type));
      });
    });
    const loop = this.#loop;
    const rounds = 'count' in loop ? emitter.name(emitter.scalar(asScalar(loop.count), 'int64')) : '';
    // Loop needs at least two inputs, so it gets a condition even if the count alone decides.
    const first = emitter.condition('test' in loop ? loop.test : true);
    const initial = carried.map(([, { initial: value, type }]) => emitter.name(leafTensor(emitter, value, type)));
    emitter.runtimeControl.push(loop.statement.at);
    const names = emitter.builder.nodes('Loop', [rounds, first, ...initial], {
      outputs: carried.length + scans.length,
      attributes: { body: { graph: scope.builder.build('body') } },
    });
    const results = new Map<string, Value>();
    carried.forEach(([key, { type }], i) => {
      const shape = type.shape.map((dim) => (dim === null || depthOf(dim) > emitter.depth ? null : dim));
      results.set(key, leafValue(emitter, names[i] ?? '', { ...type, shape }));
    });
    for (const slot of this.#slots) {
      const value = this.#replaceLeaves(slot.key, slot.initial, results);
      if (slot.name !== undefined) this.#frame.set(slot.name, value);
      else if (slot.cell !== undefined) this.#control.apply(slot.cell, value);
    }
    scans.forEach((scan, i) => this.#finishScan(scan, names[carried.length + i] ?? ''));
  }

  /** After the loop the list holds its items from before the loop, then the items that the rounds appended. */
  #finishScan({ list, type }: Scan, name: string): void {
    if (type === undefined) return;
    const emitter = this.#emitter;
    const shape = type.shape.map((dim) => (dim === null || depthOf(dim) > emitter.depth ? null : dim));
    const count: Dim | null = 'count' in this.#loop ? this.#loop.count : null;
    const stack = emitter.graphTensor(name, type.dtype, [count, ...shape]);
    const earlier = list.stored.map((item) => {
      const tensor = leafTensor(emitter, item, type);
      return emitter.reshape(tensor, [1, ...tensor.content.shape]);
    });
    if (earlier.length === 0) return emitter.heap.setStack(list, stack);
    const joined = emitter.node('Concat', [...earlier, stack], {
      shape: [null, ...stack.content.shape.slice(1)],
      attributes: { axis: { int: 0 } },
    });
    emitter.heap.setStack(list, joined);
  }
}

/** The values of a slot at the start and at the end of a round. */
interface SlotRound {
  readonly slot: Slot;
  readonly before: Value;
  readonly after: Value;
}

/** The result of one trial of the body. */
interface Round {
  readonly run: BlockRun & { readonly again: Value };
  readonly condition: string;
  readonly outputs: ReadonlyMap<string, Value>;
  readonly scanned: readonly Value[];
}

function input(builder: GraphBuilder, hint: string, dtype: LeafType['dtype'], rank = 0): string {
  return builder.bodyInput(hint, { datatype: onnxTypeOf(dtype), shape: Array.from({ length: rank }, () => null) });
}

const cellIds = new WeakMap<object, number>();
let cells = 0;

function cellKey(cell: Cell): string {
  let id = cellIds.get(cell.target);
  if (id === undefined) cellIds.set(cell.target, (id = cells++));
  return `@${id}.${cell.attribute ?? ''}`;
}

function cellAfter(run: BlockRun, slot: Slot): Value | undefined {
  const change = run.changes.find(({ cell }) => slot.cell !== undefined && cellKey(cell) === slot.key);
  return change?.after;
}

/** The value with every leaf of its tuples and lists replaced. */
function mapLeaves(value: Value, replace: (leaf: Value) => Value): Value {
  if (value instanceof ListValue && value.stack === undefined) {
    const items = value.stored.map((item) => mapLeaves(item, replace));
    return items.every((item, i) => item === value.stored[i]) ? value : new ListValue(items);
  }
  if (isTuple(value)) {
    return { ...value, items: value.items.map((item) => mapLeaves(item, replace)) };
  }
  return replace(value);
}

/** Calls `visit` for each pair of leaves at the same place of two values. @throws CannotMerge if their structures differ. */
function visitLeafPairs(a: Value, b: Value, visit: (a: Value, b: Value) => void): void {
  if (a === b) {
    mapLeaves(a, (leaf) => (visit(leaf, leaf), leaf));
    return;
  }
  if (a instanceof UnknownValue || b instanceof UnknownValue) return visit(a, a);
  const [x, y] = [itemsOf(a), itemsOf(b)];
  if (x !== undefined && y !== undefined && x.length === y.length) {
    x.forEach((item, i) => visitLeafPairs(item, y[i] ?? null, visit));
    return;
  }
  if (x !== undefined || y !== undefined) throw new CannotMerge('a list or tuple of changing length');
  visit(a, b);
}

function itemsOf(value: Value): readonly Value[] | undefined {
  if (value instanceof ListValue) return value.stored;
  return isTuple(value) ? value.items : undefined;
}

/** The type with which a leaf is passed to the next round. Sizes that change between rounds are free. */
function carriedType(initial: LeafType | undefined, after: LeafType | undefined): LeafType {
  if (initial === undefined && after === undefined) throw new CannotMerge('not a tensor or number');
  const type = initial ?? after;
  const other = after ?? initial;
  if (type === undefined || other === undefined) throw new CannotMerge('not a tensor or number');
  if (type.kind !== other.kind || type.dtype !== other.dtype) {
    throw new CannotMerge(`${type.dtype} in one round and ${other.dtype} in another`);
  }
  if (type.shape.length !== other.shape.length) {
    throw new CannotMerge(`of rank ${type.shape.length} in one round and ${other.shape.length} in another`);
  }
  return initial === undefined ? { ...type, shape: type.shape.map(() => null) } : type;
}
