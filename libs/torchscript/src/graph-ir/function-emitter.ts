import type { Expr, FunctionDef, Position, Stmt } from '../frontend/ast.ts';
import { assignedNames } from '../frontend/assigned-names.ts';
import { quote } from './constant.ts';
import { ExpressionEmitter, type EmitContext } from './expression-emitter.ts';
import { createBlock, createValue, type Graph, type Node, type Value } from './graph.ts';
import { ANY, INT, isSubtype, unifyTypes, type IrType } from './ir-type.ts';
import { convertValue } from './match-call.ts';
import { readTypeExpr } from './read-type.ts';
import { isMeaningful, Scope } from './scope.ts';

/** The trip count of a loop that only its condition ends. */
const FOREVER = 2n ** 63n - 1n;

/** Makes the graph of a function, or of a method if `self` is its class. The graph is as PyTorch's importer leaves it, before any clean-up. */
export function emitFunction(context: EmitContext, definition: FunctionDef, self: IrType | undefined): Graph {
  return new FunctionEmitter(context).emitDefinition(definition, self);
}

/** The trip count, the condition of the first round and the body of a loop. */
interface LoopParts {
  readonly trips: Value;
  readonly condition: Value;
  readonly body: readonly Stmt[];
  readonly at: Position;
}

class FunctionEmitter extends ExpressionEmitter {
  emitDefinition(definition: FunctionDef, self: IrType | undefined): Graph {
    const params = definition.params.map(({ name, type }, i) => {
      const isSelf = i === 0 && self !== undefined;
      const value = createValue(isSelf ? self : readTypeExpr(type, this.context.program), undefined, name);
      this.scope.values.set(name, value);
      return value;
    });
    const returns =
      definition.returns === undefined ? undefined : readTypeExpr(definition.returns, this.context.program);
    let result: Value | undefined;
    this.#emitBody(definition.body, (value, at) => {
      result = value === undefined ? undefined : this.#emitAs(value, returns, at);
    });
    return this.builder.finish(params, [result ?? this.builder.constant(null, definition.at)]);
  }

  protected override emitTask(node: Node, definition: FunctionDef): void {
    this.#emitInto(node, () => {
      this.#emitBody(definition.body, (value) => {
        const block = node.blocks[0];
        if (block === undefined || value === undefined) return;
        const result = this.emit(value);
        block.outputs = [result];
        for (const output of node.outputs) output.type = { kind: 'future', of: result.type };
      });
    });
  }

  #emitAs(value: Expr, type: IrType | undefined, at: Position): Value {
    const result = this.emit(value, type);
    return type === undefined ? result : convertValue(this.builder, result, type, { scalars: true, at });
  }

  #emitBody(body: readonly Stmt[], onReturn: (value: Expr | undefined, at: Position) => void): void {
    for (const statement of body) {
      if (statement.kind === 'return') {
        onReturn(statement.value, statement.at);
        return;
      }
      this.#emitStatement(statement);
    }
  }

  #emitBlock(body: readonly Stmt[]): void {
    // PyTorch writes a return only at the end of a function.
    this.#emitBody(body, (_, at) => this.fail('a return inside a block', at));
  }

  #emitStatement(statement: Exclude<Stmt, { readonly kind: 'return' }>): void {
    switch (statement.kind) {
      case 'assign':
        this.#emitAssignment(statement);
        break;
      case 'expr':
        this.emit(statement.value);
        break;
      case 'if':
        this.#emitIf(statement);
        break;
      case 'for':
        this.#emitFor(statement);
        break;
      case 'while':
        this.#emitWhile(statement);
        break;
      case 'with':
        this.#emitWith(statement);
        break;
      case 'def':
        this.scope.functions.set(statement.function.name, statement.function);
        break;
      case 'pass':
        break;
    }
  }

  #emitAssignment({ targets, values, unpack, type, at }: Extract<Stmt, { readonly kind: 'assign' }>): void {
    const [target] = targets;
    const [value] = values;
    if (target === undefined || value === undefined) return;
    const path = this.definitionPath(value);
    if (path !== undefined && target.kind === 'name') {
      this.scope.paths.set(target.name, path);
      return;
    }
    if (targets.length > 1 && values.length > 1) {
      const emitted = values.map((item) => this.emit(item));
      targets.forEach((item, i) => this.#assign(item, emitted[i] ?? this.emit(value)));
    } else if (unpack) {
      const parts = this.unpack(this.emit(value), targets.length, at);
      targets.forEach((item, i) => this.#assign(item, parts[i] as Value));
    } else if (type !== undefined) {
      this.#assign(target, this.#emitAs(value, readTypeExpr(type, this.context.program), at));
    } else {
      this.#assign(target, this.emit(value));
    }
  }

  #assign(target: Expr, value: Value): void {
    if (target.kind === 'name') {
      if (isMeaningful(target.name)) value.name ??= target.name;
      this.scope.values.set(target.name, value);
    } else if (target.kind === 'attribute') {
      const { object, name, at } = target;
      const self = this.emit(object);
      const inputs = [self, value];
      this.builder.insert('prim::SetAttr', { inputs, attributes: `name=${quote(name)}`, sideEffect: true, name, at });
    } else {
      this.fail('cannot assign to this expression', target.at);
    }
  }

  /** Adds nodes to a new block of a node, with its own variables. */
  #emitInto(node: Node, fill: (scope: Scope) => void): Scope {
    const block = createBlock();
    node.blocks.push(block);
    const outer = this.scope;
    const scope = new Scope(outer);
    this.scope = scope;
    this.builder.within(block, () => {
      fill(scope);
    });
    this.scope = outer;
    return scope;
  }

  /** If the condition is a constant, only its branch is added. The other branch may even be invalid. */
  #emitIf({ test, then, else: otherwise, at }: Extract<Stmt, { readonly kind: 'if' }>): void {
    const condition = this.emitCondition(test);
    const decided = test.kind === 'name' ? undefined : condition.node?.constant;
    if (typeof decided === 'boolean') {
      this.#emitBlock(decided ? then : otherwise);
      return;
    }
    const node = this.builder.insert('prim::If', { inputs: [condition], at });
    const yes = this.#emitInto(node, () => {
      this.#emitBlock(then);
    });
    const no = this.#emitInto(node, () => {
      this.#emitBlock(otherwise);
    });
    const names = new Set([...yes.values.keys(), ...no.values.keys()]);
    for (const name of [...names].sort()) {
      const a = yes.find(name);
      const b = no.find(name);
      if (a === undefined || b === undefined) continue;
      node.blocks[0]?.outputs.push(a);
      node.blocks[1]?.outputs.push(b);
      this.#addResult(node, name, unifyTypes(a.type, b.type));
    }
  }

  #addResult(node: Node, name: string, type: IrType): void {
    const value = createValue(type, node, isMeaningful(name) ? name : undefined);
    node.outputs.push(value);
    this.scope.values.set(name, value);
  }

  #emitFor({ variable, count, body, at }: Extract<Stmt, { readonly kind: 'for' }>): void {
    const trips = this.emit(count);
    this.#emitLoop({ trips, condition: this.builder.constant(true, at), body, at }, (scope, index) => {
      scope.values.set(variable, index);
      if (isMeaningful(variable)) index.name = variable;
      return () => this.builder.constant(true, at);
    });
  }

  #emitWhile({ test, body, at }: Extract<Stmt, { readonly kind: 'while' }>): void {
    const trips = this.builder.number(FOREVER, at);
    const condition = this.emitCondition(test);
    this.#emitLoop({ trips, condition, body, at }, () => () => this.emitCondition(test));
  }

  /** Variables that exist before the loop and that its body assigns are carried from round to round. */
  #emitLoop({ trips, condition, body, at }: LoopParts, begin: (scope: Scope, index: Value) => () => Value): void {
    const carried = [...assignedNames(body)].sort().flatMap((name) => {
      const before = this.scope.find(name);
      return before === undefined ? [] : [{ name, before }];
    });
    const inputs = [trips, condition, ...carried.map(({ before }) => before)];
    const node = this.builder.insert('prim::Loop', { inputs, at });
    const index = createValue(INT);
    const params = carried.map(({ name, before }) =>
      createValue(before.type, undefined, isMeaningful(name) ? name : undefined),
    );
    this.#emitInto(node, (scope) => {
      const block = node.blocks[0];
      if (block === undefined) return;
      block.params = [index, ...params];
      carried.forEach(({ name }, i) => scope.values.set(name, params[i] as Value));
      const proceed = begin(scope, index);
      this.#emitBlock(body);
      const next = proceed();
      block.outputs = [next, ...carried.map(({ name }) => scope.find(name) as Value)];
    });
    for (const [i, { name }] of carried.entries()) {
      const param = params[i] as Value;
      const after = node.blocks[0]?.outputs[i + 1]?.type ?? ANY;
      if (!isSubtype(after, param.type)) param.type = unifyTypes(param.type, after);
      this.#addResult(node, name, param.type);
    }
  }

  #emitWith({ context, variable, body, at }: Extract<Stmt, { readonly kind: 'with' }>): void {
    const manager = this.emit(context);
    const enter =
      manager.type.kind === 'class'
        ? this.context.program.findClass(manager.type.name)?.methods.find(({ name }) => name === '__enter__')
        : undefined;
    const type = enter === undefined ? ANY : readTypeExpr(enter.returns, this.context.program);
    const entered = this.builder.insertValue('prim::Enter', { inputs: [manager], types: [type], sideEffect: true, at });
    if (variable !== undefined) this.scope.values.set(variable, entered);
    this.#emitBlock(body);
    this.builder.insertValue('prim::Exit', { inputs: [manager], types: [ANY], sideEffect: true, at });
  }
}
