import type { Expr, FunctionDef, Position, Stmt } from '../frontend/ast.ts';
import { describePosition } from '../frontend/position.ts';
import type { Program } from '../frontend/program.ts';
import type { Emitter } from '../symbolic/emitter.ts';
import type { CallArguments, CallOperator } from '../symbolic/operator-call.ts';
import { SymInt } from '../symbolic/sym-int.ts';
import type { UnsupportedReport } from '../symbolic/unsupported-report.ts';
import { isTuple, kindOf, ListValue, ObjectValue, SymBool, UnknownValue, type Value } from '../symbolic/values.ts';
import { modelError } from '../torchscript-error.ts';
import { ControlFlow } from './control-flow.ts';
import { ExpressionEvaluator, type CodeCalls } from './expression-evaluator.ts';
import type { Frame } from './frame.ts';
import type { ObjectGraph } from './object-graph.ts';

/** The parts that an interpreter needs. */
export interface InterpreterParts {
  readonly program: Program;
  readonly emitter: Emitter;
  /** Calls PyTorch's operators: the lowerings. */
  readonly callOperator: CallOperator;
  readonly objects: ObjectGraph;
  readonly report: UnsupportedReport;
}

const MAX_CALL_DEPTH = 200;
const MAX_STATEMENTS = 3_000_000;
const MAX_ROUNDS = 20_000;

/**
 * Executes the model's code. Numbers, strings, lists and modules are concrete values; tensors become nodes of the current graph.
 * One walk inlines calls, folds known values, takes known branches and unrolls loops. {@link ControlFlow} handles branches and
 * loops that depend on the input's data.
 */
export class Interpreter implements CodeCalls {
  readonly emitter: Emitter;
  readonly report: UnsupportedReport;
  readonly #program: Program;
  readonly #expressions: ExpressionEvaluator;
  readonly #control: ControlFlow;
  #callDepth = 0;
  #statements = 0;

  constructor(parts: InterpreterParts) {
    this.emitter = parts.emitter;
    this.report = parts.report;
    this.#program = parts.program;
    this.#expressions = new ExpressionEvaluator(parts, this);
    this.#control = new ControlFlow(this, parts.emitter);
  }

  // ---- calls ---------------------------------------------------------------------------------------------------------

  /** Calls a method of an object. @throws SconceError `model_invalid` if its class has no method of that name. */
  callMethod(object: ObjectValue, name: string, call: CallArguments): Value {
    const method = this.#program.findClass(object.className)?.methods.find((def) => def.name === name);
    if (method === undefined) {
      throw modelError('execute', `${object.className} has no method ${name}: the archive’s code is incomplete`);
    }
    return this.callFunction(method, { ...call, args: [object, ...call.args] });
  }

  /** Calls a function. `closure` holds the variables around an inner function. */
  callFunction(definition: FunctionDef, call: CallArguments, closure?: ReadonlyMap<string, Value>): Value {
    if (++this.#callDepth > MAX_CALL_DEPTH) {
      throw modelError(
        'execute',
        `calls nested more than ${MAX_CALL_DEPTH} deep at ${describePosition(definition.at)}`,
      );
    }
    try {
      const frame: Frame = new Map(closure);
      definition.params.forEach((param, i) => {
        const given = i < call.args.length ? call.args[i] : call.kwargs.get(param.name);
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

  /** Runs statements. Returns the value of their `return`, or undefined if they end without one. */
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
        // Contexts such as no_grad have no effect, because there are no gradients.
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
      const [list, index] = [this.evaluate(target.object, frame), this.evaluate(target.index, frame)];
      this.#expressions.callOperator('aten::_set_item', [list, index, value], target.at);
      return;
    }
    throw modelError('execute', `cannot assign to this expression at ${describePosition(target.at)}`);
  }

  #if(statement: Stmt & { kind: 'if' }, frame: Frame): Value | undefined {
    const test = this.truth(this.evaluate(statement.test, frame), statement.test.at);
    if (test === true) return this.execute(statement.then, frame);
    if (test === false) return this.execute(statement.else, frame);
    if (test instanceof SymBool) this.#control.branch(test, statement, frame);
    else this.#control.executeUnknown([statement.then, statement.else], frame);
    return undefined;
  }

  #for(statement: Stmt & { kind: 'for' }, frame: Frame): void {
    const count = this.evaluate(statement.count, frame);
    if (typeof count === 'bigint') {
      if (count > BigInt(MAX_ROUNDS)) {
        throw modelError(
          'execute',
          `a loop of ${count} rounds is too long to unroll (the limit is ${MAX_ROUNDS}) at ${describePosition(statement.at)}`,
        );
      }
      for (let i = 0n; i < count; i++) {
        frame.set(statement.variable, i);
        this.execute(statement.body, frame);
      }
      return;
    }
    if (count instanceof SymInt) this.#control.loop({ statement, count }, frame);
    else this.#control.executeUnknown([statement.body], frame, statement.variable);
  }

  #while(statement: Stmt & { kind: 'while' }, frame: Frame): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const test = this.truth(this.evaluate(statement.test, frame), statement.test.at);
      if (test === false) return;
      if (test instanceof SymBool) return this.#control.loop({ statement, test }, frame);
      if (test instanceof UnknownValue) return this.#control.executeUnknown([statement.body], frame);
      this.execute(statement.body, frame);
    }
    throw modelError('execute', `a loop did not end within ${MAX_ROUNDS} rounds at ${describePosition(statement.at)}`);
  }

  // ---- expressions ---------------------------------------------------------------------------------------------------

  /** The value of an expression, with the variables of `frame`. */
  evaluate(expression: Expr, frame: Frame): Value {
    return this.#expressions.evaluate(expression, frame);
  }

  /** The truth value of a condition. */
  truth(value: Value, at: Position): boolean | SymBool | UnknownValue {
    if (typeof value === 'boolean' || value instanceof SymBool || value instanceof UnknownValue) return value;
    const converted = this.#expressions.callOperator('aten::Bool', [value], at);
    if (typeof converted === 'boolean' || converted instanceof SymBool) return converted;
    return new UnknownValue();
  }
}
