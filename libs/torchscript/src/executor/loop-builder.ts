import { assignedNames } from '../frontend/assigned-names.ts';
import { joinLists } from '../lowering/columns.ts';
import type { Scope } from '../symbolic/dim-emitter.ts';
import type { Emitter } from '../symbolic/emitter.ts';
import { growItems, typeOfItems, typeOfRounds } from '../symbolic/grown-list.ts';
import type { Cell } from '../symbolic/heap.ts';
import { CannotMerge, leafTensor, leafType, leafValue, sameLeaf } from '../symbolic/merge.ts';
import { asScalar } from '../symbolic/scalar-elements.ts';
import { depthOf, sameDim, symbol, valueAtom, type Dim } from '../symbolic/sym-int.ts';
import { ListValue, TensorValue, UnknownValue, type Value } from '../symbolic/values.ts';
import { contentAfter, type BlockRun } from './block-run.ts';
import type { ControlFlow, LoopToBuild } from './control-flow.ts';
import { declareOutput } from './declare-output.ts';
import type { Frame } from './frame.ts';
import type { Interpreter } from './interpreter.ts';
import { mapListPairs } from './list-pairs.ts';
import { bodyInput, carriedType, cellKey, mapLeaves, visitLeafPairs } from './loop-leaves.ts';
import {
  cellAfter,
  copyOfObject,
  isObject,
  growsAtEnd,
  ReadsScan,
  type Carried,
  type Round,
  type Scan,
  type Slot,
  type SlotRound,
} from './loop-slots.ts';

const MAX_TRIALS = 20;

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
  /** Lists that change in other ways than by one element at their end in every round. */
  readonly #notScans = new Set<ListValue>();
  #stable = false;
  /** The variable or attribute whose values are compared, for messages. */
  #comparing: string | undefined;

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
    const { report } = this.#interpreter;
    const { uses } = report;
    try {
      for (let trial = 0; trial < MAX_TRIALS; trial++) {
        // A trial that does not know yet what rounds pass on reports what later trials do not.
        report.restore(uses);
        this.#stable = true;
        const round = this.#trial();
        if (this.#stable && round !== undefined) {
          this.#finish(round);
          return;
        }
      }
      throw new CannotMerge('of a different type in every round');
    } catch (thrown) {
      if (!(thrown instanceof CannotMerge)) throw thrown;
      // Unsupported operators in the body are the reason, if there are any.
      if (report.uses === uses) this.#refuse(thrown);
      const { statement } = this.#loop;
      const variable = statement.kind === 'for' ? statement.variable : undefined;
      this.#control.executeUnknown([statement.body], this.#frame, variable);
    }
  }

  /** The name of a changed object in the code, if it has one. */
  #nameOf(cell: Cell | undefined): string | undefined {
    if (cell?.attribute !== undefined) return `self.${cell.attribute}`;
    return [...this.#frame].find(([, value]) => value === cell?.target)?.[0];
  }

  #refuse(reason: CannotMerge): void {
    const what = this.#comparing === undefined ? 'a value' : `‘${this.#comparing}’`;
    this.#interpreter.report.add({
      op: 'prim::Loop',
      reason: `${what} that the loop passes to its next round is ${reason.message}`,
      hint: 'a compiled loop needs the same type and rank in every round; fix the number of rounds with --arg or --input',
      at: this.#loop.statement.at,
    });
  }

  /** As {@link LoopBuilder.#round}. Undefined if the body reads a list that it was believed only to append to. */
  #trial(): Round | undefined {
    try {
      return this.#round();
    } catch (thrown) {
      if (!(thrown instanceof ReadsScan) || !this.#scans.delete(thrown.list)) throw thrown;
      this.#notScans.add(thrown.list);
      return undefined;
    }
  }

  /** Executes the body once, as any round after the first, and finds further values that it passes on. */
  #round(): Round {
    const emitter = this.#emitter;
    const { statement } = this.#loop;
    const scope = emitter.newScope();
    const { builder } = scope;
    const iteration = bodyInput(builder, 'i', 'int64');
    const condition = bodyInput(builder, 'go', 'bool');
    const frame: Frame = new Map(this.#frame);
    const before = new Map<string, Value>();
    const inputs = new Map<string, Value>();
    emitter.within(scope, () => {
      for (const [key, carried] of this.#carried) {
        const name = bodyInput(builder, 'carried', carried.type.dtype, carried.type.shape.length);
        inputs.set(key, leafValue(emitter, name, carried.type));
      }
    });
    // Cells change at the start of the round inside the trial, so that these changes are undone too.
    const run = this.#runBody(scope, frame, () => {
      for (const slot of this.#slots) {
        const value = this.#replaceLeaves(slot.key, slot.initial, inputs);
        before.set(slot.key, value);
        if (slot.name !== undefined) frame.set(slot.name, slot.rebound === true ? copyOfObject(value) : value);
        else if (slot.cell !== undefined) this.#control.apply(slot.cell, value);
      }
      for (const { list } of this.#scans.values()) {
        emitter.heap.setItems(list, []);
        list.appendOnly = () => {
          throw new ReadsScan(list);
        };
      }
      if (statement.kind === 'for') frame.set(statement.variable, symbol(valueAtom(iteration, scope.depth)));
    });
    if (run.raised !== undefined) throw run.raised;
    const outputs = new Map<string, Value>();
    for (const { cell, after } of run.changes) this.#noteChange(cell, after);
    for (const slot of this.#slots) {
      const start = before.get(slot.key);
      if (start === undefined) continue;
      const last = slot.name !== undefined ? run.frame.get(slot.name) : cellAfter(run, slot);
      const after = last === undefined || last === start ? last : contentAfter(run, last);
      if (after === undefined) continue;
      if (last !== start && slot.name !== undefined && slot.rebound !== true && isObject(start)) this.#rebind(slot);
      this.#comparing = slot.name ?? this.#nameOf(slot.cell);
      if (!this.#growLists(slot, after)) this.#compare({ slot, before: start, after, scope }, inputs, outputs);
    }
    this.#comparing = undefined;
    const scanned = [...this.#scans.values()].map((scan) => this.#scanned(scan, run));
    return { run, condition, outputs, scanned };
  }

  #runBody(scope: Scope, frame: Frame, prepare: () => void): BlockRun & { readonly again: Value } {
    let again: Value = true;
    const { statement } = this.#loop;
    const traps = [...this.#scans.keys()].map((list) => [list, list.appendOnly] as const);
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
      for (const [list, trap] of traps) list.appendOnly = trap;
    }
  }

  /** Notes a cell that the body changes and that has no slot: it gets one, or is a list to which the body only appends. */
  #noteChange(cell: Cell, after: Value | undefined): void {
    const { target } = cell;
    const key = cellKey(cell);
    if (this.#slots.some((slot) => slot.key === key)) return;
    if (target instanceof ListValue) {
      if (this.#scans.has(target)) return;
      if (!this.#notScans.has(target) && after instanceof ListValue && growsAtEnd(target, after)) {
        this.#scans.set(target, { list: target, type: undefined });
        this.#stable = false;
        return;
      }
    }
    const initial = cell.get();
    if (initial === undefined) throw new CannotMerge('an attribute that does not exist before the loop');
    this.#slots.push({ key, cell, initial });
    this.#stable = false;
  }

  /**
   * Gives the lists of a slot that change their length, or whose items change their shapes, the form of a list of unknown length.
   * Returns whether there were any.
   */
  #growLists(slot: Slot, after: Value): boolean {
    const emitter = this.#emitter;
    const [initial] = mapListPairs(slot.initial, after, (first, last) => {
      const type = typeOfRounds(first, last, emitter.depth);
      const { grown } = first;
      const isWide = grown?.columns.every(({ sizes }, i) => sizes !== undefined || type?.columns[i]?.ragged !== true);
      if (type === undefined || isWide === true) return [first, last];
      return [new ListValue([], growItems(emitter, first, type)), last];
    });
    if (initial === slot.initial) return false;
    slot.initial = initial;
    this.#stable = false;
    for (const key of this.#carried.keys()) if (key.startsWith(`${slot.key}#`)) this.#carried.delete(key);
    let at = 0;
    mapLeaves(initial, (leaf, ofColumn) => {
      const key = `${slot.key}#${at++}`;
      const type = leafType(leaf);
      if (ofColumn && type !== undefined) {
        this.#carried.set(key, { initial: leaf, type: { ...type, shape: [null, ...type.shape.slice(1)] } });
      }
      return leaf;
    });
    return true;
  }

  /** The slot's value with the body's inputs in place of its carried leaves. */
  #replaceLeaves(key: string, initial: Value, inputs: ReadonlyMap<string, Value>): Value {
    let at = 0;
    return mapLeaves(initial, (leaf) => inputs.get(`${key}#${at++}`) ?? leaf);
  }

  /** Compares a slot's values before and after a round. Notes changed leaves as carried, and puts their new values into `outputs`. */
  #compare(
    { slot, before, after: last, scope }: SlotRound,
    inputs: ReadonlyMap<string, Value>,
    outputs: Map<string, Value>,
  ): void {
    const emitter = this.#emitter;
    const [, after] = emitter.within(scope, () =>
      mapListPairs(slot.initial, last, (first, list) => {
        const type = first.grown === undefined ? undefined : typeOfItems(first);
        return [first, type === undefined ? list : new ListValue([], growItems(emitter, list, type))];
      }),
    );
    const initialLeaves: Value[] = [];
    mapLeaves(slot.initial, (leaf) => (initialLeaves.push(leaf), leaf));
    let at = 0;
    visitLeafPairs(before, after, (start, end) => {
      const index = at++;
      const key = `${slot.key}#${index}`;
      const carried = this.#carried.get(key);
      if (carried === undefined) {
        if (sameLeaf(start, end)) return;
        const type = carriedType(leafType(initialLeaves[index] ?? null), leafType(end), emitter.depth);
        this.#carried.set(key, { initial: initialLeaves[index] ?? null, type });
        this.#stable = false;
        return;
      }
      const type = carriedType(carried.type, leafType(end), emitter.depth);
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

  /** Notes that a variable does not hold the same list or dict in every round. */
  #rebind(slot: Slot): void {
    slot.rebound = true;
    this.#stable = false;
    // They were found when the variable still held the object from before the loop.
    this.#scans.clear();
  }

  /** The element that the round appended to a list. Undefined if the list cannot be a scan output. */
  #scanned(scan: Scan, run: BlockRun): Value | undefined {
    const { list } = scan;
    const change = run.changes.find(({ cell }) => cell.target === list);
    const after = change?.after instanceof ListValue ? change.after : undefined;
    const [item] = after?.stored ?? [];
    if (item instanceof UnknownValue) return undefined;
    const type = item === undefined ? undefined : leafType(item);
    // Scan outputs of all rounds have one shape.
    const isFixed = type?.shape.every((dim) => dim !== null && depthOf(dim) <= this.#emitter.depth);
    if (after?.stored.length === 1 && isFixed === true) {
      scan.type = type;
      // A later round would change the item in the list too.
      if (item instanceof TensorValue) {
        this.#emitter.heap.freeze(item, 'a change in place of a tensor that is in a list of unknown length');
      }
      return item;
    }
    this.#scans.delete(list);
    this.#notScans.add(list);
    this.#stable = false;
    return undefined;
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
      if (slot.name !== undefined) {
        this.#frame.set(slot.name, slot.rebound === true ? copyOfObject(value) : value);
      } else if (slot.cell !== undefined) this.#control.apply(slot.cell, value);
    }
    scans.forEach((scan, i) => this.#finishScan(scan, names[carried.length + i] ?? ''));
  }

  /** After the loop the list holds its items from before the loop, then the items that the rounds appended. */
  #finishScan({ list, type }: Scan, name: string): void {
    if (type === undefined) return;
    const emitter = this.#emitter;
    const shape = type.shape.map((dim) => (dim === null || depthOf(dim) > emitter.depth ? null : dim));
    const count: Dim | null = 'count' in this.#loop ? this.#loop.count : null;
    const data = emitter.graphTensor(name, type.dtype, [count, ...shape]);
    const appended = new ListValue([], { form: { kind: type.kind }, columns: [{ data }] });
    const all = joinLists(emitter, new ListValue(list.stored), appended);
    if (all !== undefined) emitter.heap.setGrown(list, all);
  }
}
