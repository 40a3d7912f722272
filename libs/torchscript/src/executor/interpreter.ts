import type { Expr, FunctionDef, Position, Stmt, TypeExpr } from '../frontend/ast.ts';
import { describePosition } from '../frontend/position.ts';
import type { Program } from '../frontend/program.ts';
import { modelError } from '../torchscript-error.ts';
import { ControlFlow } from './control-flow.ts';
import type { Frame } from './frame.ts';
import type { Emitter } from '../symbolic/emitter.ts';
import type { CallOperator } from '../symbolic/operator-call.ts';
import { matchesType } from './match-type.ts';
import type { ObjectGraph } from './object-graph.ts';
import { RaisedException } from './raised-exception.ts';
import type { UnsupportedReport } from '../symbolic/unsupported-report.ts';
import { SymInt } from '../symbolic/sym-int.ts';
import {
  DictValue,
  isEnum,
  isTuple,
  kindOf,
  ListValue,
  ObjectValue,
  SymBool,
  UninitializedValue,
  UnknownValue,
  type Value,
} from '../symbolic/values.ts';

/** What the interpreter works with. */
export interface InterpreterParts {
  readonly program: Program;
  readonly emitter: Emitter;
  readonly callOperator: CallOperator;
  readonly objects: ObjectGraph;
  readonly report: UnsupportedReport;
}

const MAX_CALL_DEPTH = 200;
const MAX_STATEMENTS = 3_000_000;
const MAX_ROUNDS = 20_000;

/**
 * Executes serialised code: numbers, strings, lists and modules are what they are, tensors become nodes of the graph at
 * hand. One walk inlines calls, folds what is known, takes the branches that are known and unrolls the loops that end.
 * What depends on the input's data goes to {@link ControlFlow}.
 */
export class Interpreter {
  readonly emitter: Emitter;
  readonly report: UnsupportedReport;
  readonly #program: Program;
  readonly #callOperator: CallOperator;
  readonly #objects: ObjectGraph;
  readonly #control: ControlFlow;
  #callDepth = 0;
  #statements = 0;

  constructor(parts: InterpreterParts) {
    this.emitter = parts.emitter;
    this.report = parts.report;
    this.#program = parts.program;
    this.#callOperator = parts.callOperator;
    this.#objects = parts.objects;
    this.#control = new ControlFlow(this, parts.emitter);
  }

  // ---- calls ---------------------------------------------------------------------------------------------------------

  /** Calls a method of an object. @throws SconceError `model_invalid` where its class has none of that name. */
  callMethod(object: ObjectValue, name: string, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Value {
    const method = this.#program.findClass(object.className)?.methods.find((def) => def.name === name);
    if (method === undefined) {
      throw modelError('execute', `${object.className} has no method ${name}: the archive’s code is incomplete`);
    }
    return this.callFunction(method, [object, ...args], kwargs);
  }

  callFunction(
    definition: FunctionDef,
    args: readonly Value[],
    kwargs: ReadonlyMap<string, Value>,
    closure?: ReadonlyMap<string, Value>,
  ): Value {
    if (++this.#callDepth > MAX_CALL_DEPTH) {
      throw modelError(
        'execute',
        `calls nested more than ${MAX_CALL_DEPTH} deep at ${describePosition(definition.at)}`,
      );
    }
    try {
      const frame: Frame = new Map(closure);
      definition.params.forEach((param, i) => {
        const given = i < args.length ? args[i] : kwargs.get(param.name);
        if (given !== undefined) frame.set(param.name, given);
        else if (param.default !== undefined) frame.set(param.name, this.evaluate(param.default, frame));
        else
          throw modelError(
            'execute',
            `${definition.name} is called without ${param.name} at ${describePosition(definition.at)}`,
          );
      });
      return this.execute(definition.body, frame) ?? null;
    } finally {
      this.#callDepth--;
    }
  }

  // ---- statements ----------------------------------------------------------------------------------------------------

  /** Runs statements; gives what `return` returned, undefined where they end without one. */
  execute(statements: readonly Stmt[], frame: Frame): Value | undefined {
    for (const statement of statements) {
      if (++this.#statements > MAX_STATEMENTS) {
        throw modelError(
          'execute',
          `more than ${MAX_STATEMENTS} statements were executed: a loop in the model runs too often`,
        );
      }
      const returned = this.#statement(statement, frame);
      if (returned !== undefined) return returned;
    }
    return undefined;
  }

  #statement(statement: Stmt, frame: Frame): Value | undefined {
    switch (statement.kind) {
      case 'assign':
        this.#assign(statement, frame);
        return undefined;
      case 'expr':
        this.evaluate(statement.value, frame);
        return undefined;
      case 'return':
        return statement.value === undefined ? null : this.evaluate(statement.value, frame);
      case 'pass':
        return undefined;
      case 'if':
        return this.#if(statement, frame);
      case 'for':
        this.#for(statement, frame);
        return undefined;
      case 'while':
        this.#while(statement, frame);
        return undefined;
      case 'with':
        // no_grad and its kind: without gradients they mean nothing.
        if (statement.variable !== undefined) frame.set(statement.variable, this.evaluate(statement.context, frame));
        return this.execute(statement.body, frame);
      case 'def':
        frame.set(statement.function.name, {
          kind: 'function',
          definition: statement.function,
          closure: new Map(frame),
        });
        return undefined;
    }
  }

  #assign(statement: Stmt & { kind: 'assign' }, frame: Frame): void {
    if (!statement.unpack) {
      const values = statement.values.map((value) => this.evaluate(value, frame));
      statement.targets.forEach((target, i) => this.#store(target, values[i] ?? null, frame));
      return;
    }
    const [source] = statement.values;
    const value = source === undefined ? null : this.evaluate(source, frame);
    const items = this.#unpack(value, statement);
    statement.targets.forEach((target, i) => this.#store(target, items[i] ?? null, frame));
  }

  #unpack(value: Value, statement: Stmt & { kind: 'assign' }): readonly Value[] {
    const { targets, at } = statement;
    if (value instanceof UnknownValue) return targets.map(() => value);
    if (value instanceof ListValue && value.pieces !== undefined) return value.pieces.unpack(targets.length);
    const items = value instanceof ListValue ? value.items : isTuple(value) ? value.items : undefined;
    if (items?.length === targets.length) return items;
    const what = items === undefined ? kindOf(value) : `${items.length} values`;
    throw modelError('execute', `${what} cannot be unpacked into ${targets.length} names at ${describePosition(at)}`);
  }

  #store(target: Expr, value: Value, frame: Frame): void {
    if (target.kind === 'name') {
      frame.set(target.name, value);
      return;
    }
    if (target.kind === 'attribute') {
      const object = this.evaluate(target.object, frame);
      if (object instanceof ObjectValue) this.emitter.heap.setAttribute(object, target.name, value);
      return;
    }
    if (target.kind === 'index') {
      this.#operator(
        'aten::_set_item',
        [target.object, target.index].map((e) => this.evaluate(e, frame)).concat([value]),
        new Map(),
        target.at,
      );
      return;
    }
    throw modelError('execute', `cannot assign to this expression at ${describePosition(target.at)}`);
  }

  #if(statement: Stmt & { kind: 'if' }, frame: Frame): Value | undefined {
    const test = this.truth(this.evaluate(statement.test, frame), statement.test.at);
    if (test === true) return this.execute(statement.then, frame);
    if (test === false) return this.execute(statement.else, frame);
    if (test instanceof SymBool) this.#control.branch(test, statement, frame);
    else this.#control.forget([statement.then, statement.else], frame);
    return undefined;
  }

  #for(statement: Stmt & { kind: 'for' }, frame: Frame): void {
    const count = this.evaluate(statement.count, frame);
    if (typeof count === 'bigint') {
      if (count > BigInt(MAX_ROUNDS)) {
        throw modelError(
          'execute',
          `a loop of ${count} rounds is too long to unroll at ${describePosition(statement.at)}`,
        );
      }
      for (let i = 0n; i < count; i++) {
        frame.set(statement.variable, i);
        this.execute(statement.body, frame);
      }
      return;
    }
    if (count instanceof SymInt) this.#control.loop({ statement, count }, frame);
    else {
      frame.set(statement.variable, new UnknownValue());
      this.#control.forget([statement.body], frame);
    }
  }

  #while(statement: Stmt & { kind: 'while' }, frame: Frame): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const test = this.truth(this.evaluate(statement.test, frame), statement.test.at);
      if (test === false) return;
      if (test instanceof SymBool) return this.#control.loop({ statement, test }, frame);
      if (test instanceof UnknownValue) return this.#control.forget([statement.body], frame);
      this.execute(statement.body, frame);
    }
    throw modelError('execute', `a loop did not end within ${MAX_ROUNDS} rounds at ${describePosition(statement.at)}`);
  }

  /** What a condition comes to. */
  truth(value: Value, at: Position): boolean | SymBool | UnknownValue {
    if (typeof value === 'boolean' || value instanceof SymBool || value instanceof UnknownValue) return value;
    const converted = this.#operator('aten::Bool', [value], new Map(), at);
    if (typeof converted === 'boolean' || converted instanceof SymBool) return converted;
    return new UnknownValue();
  }

  // ---- expressions ---------------------------------------------------------------------------------------------------

  evaluate(expression: Expr, frame: Frame): Value {
    switch (expression.kind) {
      case 'name':
        return this.#name(expression.name, expression.at, frame);
      case 'literal':
        return this.#literal(expression);
      case 'list':
        return new ListValue(expression.items.map((item) => this.evaluate(item, frame)));
      case 'tuple':
        return { kind: 'tuple', items: expression.items.map((item) => this.evaluate(item, frame)) };
      case 'dict':
        return new DictValue(
          expression.entries.map(([key, value]) => [this.evaluate(key, frame), this.evaluate(value, frame)] as const),
        );
      case 'attribute':
        return this.#attribute(expression, frame);
      case 'index':
        return this.#index(expression, frame);
      case 'slice':
        return this.#slice(expression, frame);
      case 'call':
        return this.#call(expression, frame);
      case 'typed':
        return this.#typed(expression, frame);
    }
  }

  #name(name: string, at: Position, frame: Frame): Value {
    const value = frame.get(name);
    if (value !== undefined) return value;
    if (name === 'inf') return Infinity;
    if (name === 'nan') return NaN;
    throw modelError('execute', `name ${name} is not defined at ${describePosition(at)}`);
  }

  #literal(expression: Expr & { kind: 'literal' }): Value {
    const { value } = expression;
    if (value !== null && typeof value === 'object') {
      throw modelError('execute', `complex numbers are not supported: at ${describePosition(expression.at)}`);
    }
    return value;
  }

  #attribute(expression: Expr & { kind: 'attribute' }, frame: Frame): Value {
    const path = pathOf(expression);
    const [root] = path ?? [];
    if (path !== undefined && root !== undefined && !frame.has(root)) return this.#global(path, expression.at);
    const object = this.evaluate(expression.object, frame);
    if (object instanceof UnknownValue) return object;
    if (object instanceof ObjectValue) {
      const value = object.attributes.get(expression.name) ?? this.#objects.constantOf(object, expression.name, this);
      if (value !== undefined) return value;
      throw modelError(
        'execute',
        `${object.className} has no attribute ${expression.name} at ${describePosition(expression.at)}`,
      );
    }
    if (isTuple(object) && object.named !== undefined) {
      const value = object.items[object.named.fields.indexOf(expression.name)];
      if (value !== undefined) return value;
    }
    if (isEnum(object) && expression.name === 'value') return object.value;
    if (isEnum(object) && expression.name === 'name') return object.name;
    return this.#operator(`prim::${expression.name}`, [object], new Map(), expression.at);
  }

  /** A dotted name that begins with no variable: a constant, a function, a class or an enum's member. */
  #global(path: readonly string[], at: Position): Value {
    const [root] = path;
    if (root === 'CONSTANTS') return this.#objects.constant(path[1] ?? '', at);
    const qualified = path.join('.');
    const definition = this.#program.findFunction(qualified);
    if (definition !== undefined) return { kind: 'function', definition };
    if (this.#program.findClass(qualified) !== undefined) return { kind: 'class', className: qualified };
    const owner = path.slice(0, -1).join('.');
    const member = this.#program.findClass(owner)?.attributes.find(({ name }) => name === path.at(-1));
    if (member?.value !== undefined) {
      return { kind: 'enum', className: owner, name: member.name, value: this.evaluate(member.value, new Map()) };
    }
    throw modelError('execute', `${qualified} is not in the archive’s code: at ${describePosition(at)}`);
  }

  #index(expression: Expr & { kind: 'index' }, frame: Frame): Value {
    const object = this.evaluate(expression.object, frame);
    const index = this.evaluate(expression.index, frame);
    if (isTuple(object) && typeof index === 'bigint') {
      const item = object.items.at(Number(index));
      if (item !== undefined) return item;
    }
    return this.#operator('aten::__getitem__', [object, index], new Map(), expression.at);
  }

  #slice(expression: Expr & { kind: 'slice' }, frame: Frame): Value {
    const bound = (e: Expr | undefined): Value => (e === undefined ? null : this.evaluate(e, frame));
    const object = this.evaluate(expression.object, frame);
    const [start, end, step] = [bound(expression.start), bound(expression.end), bound(expression.step)];
    if (isTuple(object)) {
      const at = (value: Value): number | undefined => (typeof value === 'bigint' ? Number(value) : undefined);
      return { kind: 'tuple', items: object.items.slice(at(start), at(end)) };
    }
    return this.#operator('aten::slice', [object, start, end, step ?? 1n], new Map(), expression.at);
  }

  #typed(expression: Expr & { kind: 'typed' }, frame: Frame): Value {
    if (expression.form === 'uninitialized' || expression.value === undefined) return new UninitializedValue();
    const value = this.evaluate(expression.value, frame);
    if (expression.form !== 'isinstance') return value;
    if (value instanceof UnknownValue) return value;
    return expression.types.some((type: TypeExpr) => matchesType(value, type, this.#program));
  }

  #call(expression: Expr & { kind: 'call' }, frame: Frame): Value {
    const { callee, at } = expression;
    const args = (): Value[] => expression.args.map((arg) => this.evaluate(arg, frame));
    const kwargs = (): Map<string, Value> =>
      new Map(expression.kwargs.map(({ name, value }) => [name, this.evaluate(value, frame)]));
    const path = pathOf(callee);
    if (path !== undefined && path[0] !== undefined && !frame.has(path[0])) {
      return this.#callGlobal(path, expression, frame);
    }
    if (callee.kind === 'attribute') {
      const object = this.evaluate(callee.object, frame);
      if (object instanceof ObjectValue) return this.callMethod(object, callee.name, args(), kwargs());
      return this.#operator(`aten::${callee.name}`, [object, ...args()], kwargs(), at);
    }
    return this.#callValue(this.evaluate(callee, frame), args(), kwargs(), at);
  }

  #callValue(value: Value, args: readonly Value[], kwargs: ReadonlyMap<string, Value>, at: Position): Value {
    if (value !== null && typeof value === 'object' && 'kind' in value) {
      if (value.kind === 'function') return this.callFunction(value.definition, args, kwargs, value.closure);
      if (value.kind === 'class') return this.#construct(value.className, args, kwargs);
      if (value.kind === 'object') return this.callMethod(value, 'forward', args, kwargs);
      if (value.kind === 'unknown') return value;
    }
    throw modelError('execute', `${kindOf(value)} cannot be called: at ${describePosition(at)}`);
  }

  /** `torch.f(…)`, `ops.ns.f(…)`, `__torch__.….f(…)` and Python's own functions. */
  #callGlobal(path: readonly string[], expression: Expr & { kind: 'call' }, frame: Frame): Value {
    const { at } = expression;
    const [root] = path;
    const name = path.at(-1) ?? '';
    if (root === '__torch__' && name === '__new__') {
      return new ObjectValue(path.slice(0, -1).join('.'), new Map(), '');
    }
    const args = expression.args.map((arg) => this.evaluate(arg, frame));
    const kwargs = new Map(expression.kwargs.map((kwarg) => [kwarg.name, this.evaluate(kwarg.value, frame)]));
    if (root === 'torch') return this.#operator(`aten::${path.slice(1).join('.')}`, args, kwargs, at);
    if (root === 'ops') return this.#operator(`${path.slice(1, -1).join('.')}::${name}`, args, kwargs, at);
    if (path.length === 1) return this.#builtin(name, args, kwargs, at);
    return this.#callValue(this.#global(path, at), args, kwargs, at);
  }

  #builtin(name: string, args: readonly Value[], kwargs: ReadonlyMap<string, Value>, at: Position): Value {
    const [first, second] = args;
    if (name === 'getattr' && first instanceof ObjectValue && typeof second === 'string') {
      const value = first.attributes.get(second);
      if (value !== undefined) return value;
      throw modelError('execute', `${first.className} has no attribute ${second} at ${describePosition(at)}`);
    }
    if (name === 'fork') return this.#callValue(first ?? null, args.slice(1), kwargs, at);
    return this.#operator(BUILTINS[name] ?? `aten::${name}`, args, kwargs, at);
  }

  /** `Class(…)`: a NamedTuple, an enum's member by value, or an object whose `__init__` runs. */
  #construct(className: string, args: readonly Value[], kwargs: ReadonlyMap<string, Value>): Value {
    const definition = this.#program.findClass(className);
    if (definition?.base === 'NamedTuple') {
      const fields = definition.attributes.map(({ name }) => name);
      const items = fields.map((field, i) => args[i] ?? kwargs.get(field) ?? null);
      return { kind: 'tuple', items, named: { className, fields } };
    }
    const object = new ObjectValue(className, new Map(), '');
    this.callMethod(object, '__init__', args, kwargs);
    return object;
  }

  #operator(name: string, args: readonly Value[], kwargs: ReadonlyMap<string, Value>, at: Position): Value {
    if (name === 'prim::RaiseException') {
      throw new RaisedException(typeof args[0] === 'string' ? args[0] : 'an exception', at);
    }
    return this.#callOperator({ name, args, kwargs, at });
  }
}

/** Python's own functions by the operators that stand for them. */
const BUILTINS: Readonly<Record<string, string>> = {
  int: 'aten::Int',
  float: 'aten::Float',
  bool: 'aten::Bool',
  str: 'aten::str',
  print: 'prim::Print',
  sorted: 'aten::sorted',
};

/** `a.b.c` as its names; undefined where it is anything else. */
function pathOf(expression: Expr): string[] | undefined {
  const names: string[] = [];
  let at = expression;
  while (at.kind === 'attribute') {
    names.push(at.name);
    at = at.object;
  }
  return at.kind === 'name' ? [...names, at.name].reverse() : undefined;
}
