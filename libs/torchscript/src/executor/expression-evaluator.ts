import type { Expr, FunctionDef, Position, TypeExpr } from '../frontend/ast.ts';
import { describePosition } from '../frontend/position.ts';
import type { Program } from '../frontend/program.ts';
import type { Emitter } from '../symbolic/emitter.ts';
import type { CallArguments, CallOperator } from '../symbolic/operator-call.ts';
import {
  DictValue,
  isEnum,
  isTuple,
  kindOf,
  ListValue,
  MaybeValue,
  ObjectValue,
  UninitializedValue,
  UnknownValue,
  type Value,
} from '../symbolic/values.ts';
import { modelError } from '../torchscript-error.ts';
import type { Frame } from './frame.ts';
import { matchesType } from './match-type.ts';
import type { ObjectGraph } from './object-graph.ts';
import { RaisedException } from './raised-exception.ts';

/** Calls functions and methods of the model's own code. */
export interface CodeCalls {
  callMethod(object: ObjectValue, name: string, call: CallArguments): Value;
  callFunction(definition: FunctionDef, call: CallArguments, closure?: ReadonlyMap<string, Value>): Value;
}

/** The parts that evaluation needs. */
export interface EvaluatorParts {
  readonly program: Program;
  readonly objects: ObjectGraph;
  readonly callOperator: CallOperator;
  readonly emitter: Emitter;
}

const TRAINING =
  'a module was saved in training mode, and the compiled model behaves so: batch norm uses the statistics of each batch, and dropout ' +
  'drops elements at random. Call model.eval() before saving, unless this is wanted';

type CallExpr = Expr & { kind: 'call' };

/** Evaluates the expressions of the model's code. */
export class ExpressionEvaluator {
  readonly #program: Program;
  readonly #objects: ObjectGraph;
  readonly #callOperator: CallOperator;
  readonly #calls: CodeCalls;
  readonly #emitter: Emitter;

  constructor(parts: EvaluatorParts, calls: CodeCalls) {
    this.#program = parts.program;
    this.#objects = parts.objects;
    this.#callOperator = parts.callOperator;
    this.#calls = calls;
    this.#emitter = parts.emitter;
  }

  /** The value of an expression, with the variables of `frame`. */
  evaluate(expression: Expr, frame: Frame): Value {
    switch (expression.kind) {
      case 'name':
        return this.#name(expression.name, expression.at, frame);
      case 'literal':
        return literalValue(expression);
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

  /** Calls an operator with positional arguments. */
  callOperator(name: string, args: readonly Value[], at: Position): Value {
    return this.#operator(name, { args, kwargs: NO_KWARGS }, at);
  }

  #name(name: string, at: Position, frame: Frame): Value {
    const value = frame.get(name);
    if (value !== undefined) return value;
    if (name === 'inf') return Infinity;
    if (name === 'nan') return NaN;
    throw modelError('execute', `name ${name} is not defined at ${describePosition(at)}`);
  }

  #attribute(expression: Expr & { kind: 'attribute' }, frame: Frame): Value {
    const { name, at } = expression;
    const path = pathOf(expression);
    const [root] = path ?? [];
    if (path !== undefined && root !== undefined && !frame.has(root)) return this.#global(path, at);
    const object = this.evaluate(expression.object, frame);
    if (object instanceof UnknownValue) return object;
    if (object instanceof ObjectValue) {
      const constant = (): Value | undefined => {
        const initial = this.#objects.constantOf(object, name);
        return initial === undefined || initial === null ? initial : this.evaluate(initial, new Map());
      };
      this.#emitter.heap.noteRead(object, name);
      const value = object.attributes.get(name) ?? constant();
      if (name === 'training' && value === true) this.#emitter.warn(TRAINING);
      if (value !== undefined) return value;
      throw noAttribute(object, name, at);
    }
    if (isTuple(object) && object.named !== undefined) {
      const value = object.items[object.named.fields.indexOf(name)];
      if (value !== undefined) return value;
    }
    if (isEnum(object) && name === 'value') return object.value;
    if (isEnum(object) && name === 'name') return object.name;
    return this.callOperator(`prim::${name}`, [object], at);
  }

  /** The value of a dotted name that begins with no variable: a constant, a function, a class or a member of an enum. */
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
    return this.callOperator('aten::__getitem__', [object, index], expression.at);
  }

  #slice(expression: Expr & { kind: 'slice' }, frame: Frame): Value {
    const bound = (e: Expr | undefined): Value => (e === undefined ? null : this.evaluate(e, frame));
    const object = this.evaluate(expression.object, frame);
    const [start, end, step] = [bound(expression.start), bound(expression.end), bound(expression.step)];
    if (isTuple(object)) {
      const at = (value: Value): number | undefined => (typeof value === 'bigint' ? Number(value) : undefined);
      return { kind: 'tuple', items: object.items.slice(at(start), at(end)) };
    }
    return this.callOperator('aten::slice', [object, start, end, step ?? 1n], expression.at);
  }

  #typed(expression: Expr & { kind: 'typed' }, frame: Frame): Value {
    if (expression.form === 'uninitialized' || expression.value === undefined) return new UninitializedValue();
    const value = this.evaluate(expression.value, frame);
    const [wanted] = expression.types;
    if (expression.form === 'unchecked_cast' && value instanceof MaybeValue && wanted?.name !== 'Optional') {
      return value.value;
    }
    if (expression.form === 'annotate' && value instanceof ListValue && value.stored.length === 0) {
      if (wanted?.name === 'List') value.declared ??= wanted.args[0];
    }
    if (expression.form !== 'isinstance') return value;
    if (value instanceof UnknownValue) return value;
    return expression.types.some((type: TypeExpr) => matchesType(value, type, this.#program));
  }

  // ---- calls ---------------------------------------------------------------------------------------------------------

  #arguments(expression: CallExpr, frame: Frame): CallArguments {
    return {
      args: expression.args.map((arg) => this.evaluate(arg, frame)),
      kwargs: new Map(expression.kwargs.map(({ name, value }) => [name, this.evaluate(value, frame)])),
    };
  }

  #call(expression: CallExpr, frame: Frame): Value {
    const { callee, at } = expression;
    const path = pathOf(callee);
    if (path !== undefined && path[0] !== undefined && !frame.has(path[0])) {
      return this.#callGlobal(path, expression, frame);
    }
    if (callee.kind === 'attribute') {
      const object = this.evaluate(callee.object, frame);
      const call = this.#arguments(expression, frame);
      if (object instanceof ObjectValue) return this.#calls.callMethod(object, callee.name, call);
      return this.#operator(`aten::${callee.name}`, { ...call, args: [object, ...call.args] }, at);
    }
    const value = this.evaluate(callee, frame);
    return this.#callValue(value, this.#arguments(expression, frame), at);
  }

  #callValue(value: Value, call: CallArguments, at: Position): Value {
    if (value !== null && typeof value === 'object' && 'kind' in value) {
      if (value.kind === 'function') return this.#calls.callFunction(value.definition, call, value.closure);
      if (value.kind === 'class') return this.#construct(value.className, call);
      if (value.kind === 'object') return this.#calls.callMethod(value, 'forward', call);
      if (value.kind === 'unknown') return value;
    }
    throw modelError('execute', `${kindOf(value)} cannot be called: at ${describePosition(at)}`);
  }

  /** Calls `torch.f(…)`, `ops.ns.f(…)`, `__torch__.….f(…)` or one of Python's own functions. */
  #callGlobal(path: readonly string[], expression: CallExpr, frame: Frame): Value {
    const { at } = expression;
    const [root] = path;
    const name = path.at(-1) ?? '';
    if (root === '__torch__' && name === '__new__') {
      return new ObjectValue(path.slice(0, -1).join('.'), new Map(), '');
    }
    const call = this.#arguments(expression, frame);
    if (root === 'torch') return this.#operator(`aten::${path.slice(1).join('.')}`, call, at);
    if (root === 'ops') return this.#operator(`${path.slice(1, -1).join('.')}::${name}`, call, at);
    if (path.length === 1) return this.#builtin(name, call, at);
    return this.#callValue(this.#global(path, at), call, at);
  }

  #builtin(name: string, call: CallArguments, at: Position): Value {
    const [first, second] = call.args;
    if (name === 'getattr' && first instanceof ObjectValue && typeof second === 'string') {
      const value = first.attributes.get(second);
      if (value !== undefined) return value;
      throw noAttribute(first, second, at);
    }
    if (name === 'fork') return this.#callValue(first ?? null, { ...call, args: call.args.slice(1) }, at);
    return this.#operator(BUILTINS[name] ?? `aten::${name}`, call, at);
  }

  /** Evaluates `Class(…)`: makes a NamedTuple, or an object whose `__init__` it runs. */
  #construct(className: string, call: CallArguments): Value {
    const definition = this.#program.findClass(className);
    if (definition?.base === 'NamedTuple') {
      const fields = definition.attributes.map(({ name }) => name);
      const items = fields.map((field, i) => call.args[i] ?? call.kwargs.get(field) ?? null);
      return { kind: 'tuple', items, named: { className, fields } };
    }
    const object = new ObjectValue(className, new Map(), '');
    this.#calls.callMethod(object, '__init__', call);
    return object;
  }

  #operator(name: string, { args, kwargs }: CallArguments, at: Position): Value {
    if (name === 'prim::RaiseException') {
      throw new RaisedException(typeof args[0] === 'string' ? args[0] : 'an exception', at);
    }
    return this.#callOperator({ name, args, kwargs, at });
  }
}

const NO_KWARGS: ReadonlyMap<string, Value> = new Map();

/** The operators that implement Python's own functions. */
const BUILTINS: Readonly<Record<string, string>> = {
  int: 'aten::Int',
  float: 'aten::Float',
  bool: 'aten::Bool',
  str: 'aten::str',
  print: 'prim::Print',
  sorted: 'aten::sorted',
};

function literalValue({ value, at }: Expr & { kind: 'literal' }): Value {
  if (value !== null && typeof value === 'object') {
    throw modelError('execute', `complex numbers are not supported: at ${describePosition(at)}`);
  }
  return value;
}

function noAttribute(object: ObjectValue, name: string, at: Position): Error {
  return modelError('execute', `${object.className} has no attribute ${name} at ${describePosition(at)}`);
}

/** The names of `a.b.c`, or undefined if the expression is anything else. */
function pathOf(expression: Expr): string[] | undefined {
  const names: string[] = [];
  let at = expression;
  while (at.kind === 'attribute') {
    names.push(at.name);
    at = at.object;
  }
  return at.kind === 'name' ? [...names, at.name].reverse() : undefined;
}
