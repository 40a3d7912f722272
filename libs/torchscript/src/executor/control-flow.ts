import { SconceError } from '@sconce/errors';

import type { Expr, Stmt } from '../frontend/ast.ts';
import { describePosition } from '../frontend/position.ts';
import { modelError } from '../torchscript-error.ts';
import { assignedNames } from '../frontend/assigned-names.ts';
import type { Scope } from '../symbolic/dim-emitter.ts';
import type { Emitter } from '../symbolic/emitter.ts';
import { growItems, hasRagged, typeOfWays, type GrownType } from '../symbolic/grown-list.ts';
import type { Cell } from '../symbolic/heap.ts';
import { partsOf, sameStructure, withParts } from '../symbolic/list-parts.ts';
import { mapListPairs } from './list-pairs.ts';
import { emptyLike, LeftOut, truthWithElements } from './empty-inputs.ts';
import { declareOutput } from './declare-output.ts';
import { changedCells, contentAfter, detachViews, type BlockRun } from './block-run.ts';
import { alikeIfEmpty, type Ways } from './empty-ways.ts';
import type { Frame } from './frame.ts';
import type { Interpreter } from './interpreter.ts';
import { RaisedException } from './raised-exception.ts';
import { CannotMerge, leafTensor, leafType, leafValue, mergeValues, type LeafType } from '../symbolic/merge.ts';
import { depthOf, sameDim, type SymInt } from '../symbolic/sym-int.ts';
import {
  DictValue,
  isTuple,
  ListValue,
  MaybeValue,
  nextSerial,
  ObjectValue,
  type SymBool,
  TensorValue,
  UnknownValue,
  type Value,
} from '../symbolic/values.ts';
import { LoopBuilder } from './loop-builder.ts';

/** Optional parts of {@link ControlFlow.run}. */
export interface BlockOptions {
  /** The graph that gets the block's nodes. Default: a new one inside the current graph. */
  readonly scope?: Scope;
  /** Runs before the block, as part of the trial. */
  readonly prepare?: () => void;
  /** Runs after the block, as part of the trial. */
  readonly conclude?: () => void;
}

/** The two values of one leaf after the two branches of an `if`. */
interface LeafPair {
  readonly then: Value;
  readonly otherwise: Value;
  readonly type: LeafType;
}

/** A loop with a number of rounds that is known only at run time. */
export type LoopToBuild =
  | { readonly statement: Stmt & { kind: 'for' }; readonly count: SymInt }
  | { readonly statement: Stmt & { kind: 'while' }; readonly test: SymBool };

/**
 * Branches and loops that depend on the input's data. All their code is executed symbolically, and an If or Loop node chooses at
 * run time.
 */
export class ControlFlow {
  readonly #interpreter: Interpreter;
  readonly #emitter: Emitter;

  constructor(interpreter: Interpreter, emitter: Emitter) {
    this.#interpreter = interpreter;
    this.#emitter = emitter;
  }

  /**
   * Executes blocks with an unknown condition, so that they report what is unsupported. The variables that they assign become unknown,
   * and so does `variable`, which a `for` counts with.
   */
  executeUnknown(blocks: readonly (readonly Stmt[])[], frame: Frame, variable?: string): void {
    if (variable !== undefined) frame.set(variable, new UnknownValue());
    for (const block of blocks) {
      try {
        this.run(block, new Map(frame));
      } catch (thrown) {
        // The block works on results of unsupported operators, which have been reported.
        if (!(thrown instanceof SconceError) || thrown.code !== 'model_invalid') throw thrown;
      }
    }
    for (const name of assignedNames(blocks.flat())) frame.set(name, new UnknownValue());
  }

  /** Executes a block in its own graph and undoes its changes. */
  run(block: readonly Stmt[], frame: Frame, options: BlockOptions = {}): BlockRun {
    const { scope = this.#emitter.newScope(), prepare, conclude } = options;
    const start = nextSerial();
    const { result, changes } = this.#emitter.heap.trial(() =>
      this.#emitter.within(scope, () => {
        try {
          prepare?.();
          this.#interpreter.execute(block, frame);
          conclude?.();
          return undefined;
        } catch (thrown) {
          if (thrown instanceof RaisedException) return thrown;
          throw thrown;
        } finally {
          for (const [name, value] of frame) frame.set(name, detachViews(value, start));
        }
      }),
    );
    return { scope, frame, changes, raised: result };
  }

  /** Executes an `if` on a truth value that depends on the input. */
  branch(test: SymBool, statement: Stmt & { kind: 'if' }, frame: Frame): void {
    const { report } = this.#interpreter;
    const before = report.uses;
    const usual = truthWithElements(test, (dim) => this.#emitter.resolve(dim));
    if (usual === undefined) return this.#both(test, statement, frame);
    // If the code for empty inputs cannot be compiled beside the code for all others, it is left out.
    try {
      this.#both(test, statement, frame, () => report.uses !== before);
      return;
    } catch (thrown) {
      if (!(thrown instanceof LeftOut) && !(thrown instanceof SconceError)) throw thrown;
    }
    report.restore(before);
    this.#emitter.warn(
      `the model has other code for empty inputs (${describePosition(statement.at)}), which cannot be compiled: pass no axis of size 0`,
    );
    this.#interpreter.execute(usual ? statement.then : statement.else, frame);
  }

  /** Executes both ways. Throws {@link LeftOut}, without effects, if `gives up` says so. */
  #both(test: SymBool, statement: Stmt & { kind: 'if' }, frame: Frame, givesUp = (): boolean => false): void {
    const then = this.run(statement.then, new Map(frame));
    const otherwise = this.run(statement.else, new Map(frame));
    if (givesUp()) throw new LeftOut();
    if (then.raised !== undefined && otherwise.raised !== undefined) throw then.raised;
    if (then.raised !== undefined || otherwise.raised !== undefined) {
      // The `if` is a guard: only the other branch gives a result.
      this.#assume(test, otherwise.raised !== undefined, then.raised ?? otherwise.raised);
      this.#interpreter.execute(then.raised !== undefined ? statement.else : statement.then, frame);
      return;
    }
    this.#join({ test, then, otherwise, statement }, frame, givesUp);
  }

  /** Notes that a guard's condition is `holds`, because the model raises otherwise. */
  #assume(test: SymBool, holds: boolean, raised: RaisedException | undefined): void {
    const { condition } = test;
    if (condition.kind === 'not') return this.#assume(condition.of, !holds, raised);
    if (
      condition.kind === 'compare' &&
      condition.op === 'eq' &&
      holds &&
      this.#emitter.require(condition.a, condition.b)
    )
      return;
    const where = raised === undefined ? '' : ` (${describePosition(raised.at)})`;
    this.#emitter.warn(
      `the model raises “${raised?.message ?? ''}” for some inputs${where}: the compiled model does not check this`,
    );
  }

  /** Adds the If node and gives `frame` and changed objects the values that come out of it. */
  #join({ test, then, otherwise, statement }: Branches, frame: Frame, givesUp: () => boolean): void {
    const { at } = statement;
    const pairs: LeafPair[] = [];
    const placeholders = new Map<Value, number>();
    const leaf = ([first = null, second = null]: readonly Value[]): Value => {
      const ways = this.#alikeIfEmpty({ test, then, otherwise, statement }, first, second);
      const [a, b] = [emptyLike(ways.then, ways.otherwise), emptyLike(ways.otherwise, ways.then)];
      const type = joinedType(leafType(a) ?? leafType(b), leafType(b) ?? leafType(a));
      // It is replaced when the If node exists.
      const placeholder = type.kind === 'tensor' ? this.#emitter.elements([], type.dtype, []) : new UnknownValue();
      placeholders.set(placeholder, pairs.length);
      pairs.push({ then: a, otherwise: b, type });
      return placeholder;
    };
    const merge = (a: Value, b: Value, what: string): Value => {
      try {
        return mergeValues(this.#alike([a, then.scope], [b, otherwise.scope]), leaf);
      } catch (thrown) {
        if (!(thrown instanceof CannotMerge)) throw thrown;
        this.#interpreter.report.add({
          op: 'prim::If',
          reason: `${what} is ${thrown.message}, depending on the input’s data`,
          hint: 'a compiled model needs the same type and rank in both branches of an if',
          at,
        });
        return new UnknownValue();
      }
    };
    const assigned = [...assignedNames([...statement.then, ...statement.else])].flatMap((name) => {
      const a = then.frame.get(name);
      const b = otherwise.frame.get(name);
      if (a === undefined || b === undefined) return [];
      // An object that a branch changed and assigned to the variable has its content of that branch.
      const [x, y] = a === b ? [a, b] : [contentAfter(then, a), contentAfter(otherwise, b)];
      return [{ name, value: merge(x, y, `‘${name}’`) }];
    });
    const changed = changedCells(then, otherwise).map(({ cell, a, b }) => ({
      cell,
      value: merge(a ?? null, b ?? null, cell.attribute === undefined ? 'an object' : `self.${cell.attribute}`),
    }));
    if (givesUp()) throw new LeftOut();
    this.#emitter.runtimeControl.push(at);
    const results = pairs.length === 0 ? [] : this.#ifNode({ test, then, otherwise }, pairs);
    const fill = (value: Value): Value => fillPlaceholders(value, placeholders, results);
    for (const { name, value } of assigned) frame.set(name, fill(value));
    for (const { cell, value } of changed) this.apply(cell, fill(value));
  }

  /** Tensors of two ways. One without elements has the rank of the other. */
  #alikeIfEmpty({ test, then, otherwise }: Branches, a: Value, b: Value): Ways {
    const ways = { then: a, otherwise: b };
    const alike = alikeIfEmpty(this.#emitter, test, ways, (way, make) =>
      this.#emitter.within((way === 'then' ? then : otherwise).scope, make),
    );
    if (alike === undefined) return ways;
    this.#emitter.warn(
      'a tensor without elements has other axes than in PyTorch: the model gives it another rank than a tensor with elements',
    );
    return alike;
  }

  /** Values of two ways, with lists of different lengths in one form. */
  #alike([a, then]: readonly [Value, Scope], [b, otherwise]: readonly [Value, Scope]): readonly [Value, Value] {
    const emitter = this.#emitter;
    const grow = (list: ListValue, scope: Scope, type: GrownType): ListValue =>
      emitter.within(scope, () => new ListValue([], growItems(emitter, list, type)));
    return mapListPairs(a, b, (x, y) => {
      const type = typeOfWays(x, y, emitter.depth);
      if (type === undefined || (sameStructure(x, y) && !hasRagged(type))) return [x, y];
      return [grow(x, then, type), grow(y, otherwise, type)];
    });
  }

  #ifNode({ test, then, otherwise }: Omit<Branches, 'statement'>, pairs: readonly LeafPair[]): Value[] {
    const emitter = this.#emitter;
    const condition = emitter.condition(test);
    const body = (scope: Scope, values: readonly Value[], name: string): ReturnType<Scope['builder']['build']> => {
      emitter.within(scope, () => {
        values.forEach((value, i) => {
          const type = pairs[i]?.type;
          if (type !== undefined) declareOutput(emitter, leafTensor(emitter, value, type));
        });
      });
      return scope.builder.build(name);
    };
    const names = emitter.builder.nodes('If', [condition], {
      outputs: pairs.length,
      attributes: {
        then_branch: {
          graph: body(
            then.scope,
            pairs.map((pair) => pair.then),
            'then',
          ),
        },
        else_branch: {
          graph: body(
            otherwise.scope,
            pairs.map((pair) => pair.otherwise),
            'else',
          ),
        },
      },
    });
    return pairs.map(({ type }, i) => {
      const shape = type.shape.map((dim) => (dim === null || depthOf(dim) > emitter.depth ? null : dim));
      return leafValue(emitter, names[i] ?? '', { ...type, shape });
    });
  }

  /** Puts a merged value into the cell permanently. */
  apply(cell: Cell, value: Value): void {
    this.#emitter.heap.passing(() => {
      this.#put(cell, value);
    });
  }

  #put(cell: Cell, value: Value): void {
    const { heap } = this.#emitter;
    const { target, attribute } = cell;
    if (target instanceof ObjectValue) heap.setAttribute(target, attribute ?? '', value);
    else if (target instanceof TensorValue && value instanceof TensorValue) heap.setTensor(target, value.content);
    else if (target instanceof ListValue && value instanceof ListValue) {
      if (value.grown === undefined) heap.setItems(target, value.stored);
      else heap.setGrown(target, value.grown);
      target.pieces = value.pieces;
    } else if (target instanceof DictValue && value instanceof DictValue) heap.setEntries(target, value.stored);
    else if (!(value instanceof UnknownValue)) {
      throw modelError('execute', 'internal: a changed object has another kind after a branch; please report it');
    }
  }

  /** Executes a `for` or `while` with a number of rounds that depends on the input. */
  loop(loop: LoopToBuild, frame: Frame): void {
    new LoopBuilder({ interpreter: this.#interpreter, emitter: this.#emitter, control: this }, loop, frame).build();
  }

  /** Evaluates the test of a `while` at the end of a body, in its scope. */
  evaluateTest(expression: Expr, frame: Frame): boolean | SymBool | UnknownValue {
    return this.#interpreter.truth(this.#interpreter.evaluate(expression, frame), expression.at);
  }
}

/** A branch on a truth value that depends on the input, and the results of both ways. */
interface Branches {
  readonly test: SymBool;
  readonly then: BlockRun;
  readonly otherwise: BlockRun;
  readonly statement: Stmt & { kind: 'if' };
}

/** The type of a value that is one of two values. Sizes that differ are known only at run time. */
function joinedType(a: LeafType | undefined, b: LeafType | undefined): LeafType {
  if (a === undefined || b === undefined) throw new CannotMerge('a value that ONNX cannot hold');
  if (a.dtype !== b.dtype) throw new CannotMerge(`a tensor of ${a.dtype} or of ${b.dtype}`);
  if (a.shape.length !== b.shape.length) {
    throw new CannotMerge(`a tensor of rank ${a.shape.length} or of rank ${b.shape.length}`);
  }
  const shape = a.shape.map((dim, i) => {
    const other = b.shape[i] ?? null;
    return dim !== null && other !== null && sameDim(dim, other) ? dim : null;
  });
  return { ...a, shape };
}

function fillPlaceholders(value: Value, placeholders: ReadonlyMap<Value, number>, results: readonly Value[]): Value {
  const index = placeholders.get(value);
  if (index !== undefined) return results[index] ?? null;
  const fill = (item: Value): Value => fillPlaceholders(item, placeholders, results);
  if (value instanceof ListValue && partsOf(value).some((part) => fill(part) !== part)) {
    return withParts(value, partsOf(value).map(fill));
  }
  if (value instanceof DictValue && value.stored.some(([, item]) => fill(item) !== item)) {
    return new DictValue(value.stored.map(([key, item]) => [key, fill(item)] as const));
  }
  if (isTuple(value)) {
    return { ...value, items: value.items.map(fill) };
  }
  if (value instanceof MaybeValue) {
    return new MaybeValue(fill(value.present) as MaybeValue['present'], fill(value.value));
  }
  return value;
}
