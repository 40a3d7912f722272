import type { Expr, FunctionDef, Position } from '../frontend/ast.ts';
import { describePosition } from '../frontend/position.ts';
import type { Program } from '../frontend/program.ts';
import { modelError } from '../torchscript-error.ts';
import { callFunction, callMethod } from './call-function.ts';
import { quote, typeOfConstant, type Constant } from './constant.ts';
import type { Node, Value } from './graph.ts';
import { GraphBuilder } from './graph-builder.ts';
import {
  ANY,
  BOOL,
  FLOAT,
  INT,
  COMPLEX,
  isSubtype,
  NONE,
  printType,
  sameType,
  STR,
  TENSOR,
  unifyTypes,
  unwrapOptional,
  type IrType,
} from './ir-type.ts';
import { constantOf, literalConstant } from './literal-constant.ts';
import { callOperator, convertValue, makeTuple, unpackTuple, type CallArguments } from './match-call.ts';
import { BUILTINS, CASTS } from './python-functions.ts';
import { classType, readTypeExpr } from './read-type.ts';
import { Scope } from './scope.ts';

type CallExpr = Extract<Expr, { readonly kind: 'call' }>;
type TypedExpr = Extract<Expr, { readonly kind: 'typed' }>;

/** The first names of paths to values outside of the function. */
const ROOTS: ReadonlySet<string> = new Set(['torch', 'ops', '__torch__', 'CONSTANTS']);

/** Definitions outside of a function to which its code refers. */
export interface EmitContext {
  readonly program: Program;
  /** The values of `CONSTANTS.c<i>`. */
  readonly constants: readonly Constant[];
  /** The major release of PyTorch that wrote the archive. */
  readonly release: 1 | 2;
}

/** Adds the nodes of expressions to a graph, as PyTorch's importer does. */
export abstract class ExpressionEmitter {
  readonly context: EmitContext;
  readonly builder: GraphBuilder;
  protected scope = new Scope();

  constructor(context: EmitContext) {
    this.context = context;
    this.builder = new GraphBuilder(context.release);
  }

  /** The value of an expression. `hint` is the type that its place requires. Empty lists and dicts take their type from it. */
  emit(expression: Expr, hint?: IrType): Value {
    const { at } = expression;
    switch (expression.kind) {
      case 'name':
        return this.#emitName(expression.name, at);
      case 'literal':
        return this.#emitLiteral(expression.value, at);
      case 'list':
        return this.#emitList(expression.items, hint, at);
      case 'tuple':
        return this.#emitTuple(expression.items, hint);
      case 'dict':
        return this.#emitDict(expression.entries, hint);
      case 'attribute':
        return this.#emitAttribute(expression);
      case 'index':
        return this.#emitIndex(this.emit(expression.object), this.emit(expression.index), at);
      case 'slice':
        return this.#emitSlice(expression);
      case 'call':
        return this.#emitCall(expression, hint);
      case 'typed':
        return this.#emitTyped(expression);
    }
  }

  /** A value as the condition of a branch or loop. */
  emitCondition(expression: Expr): Value {
    return this.#cast('bool', this.emit(expression), expression.at);
  }

  protected fail(what: string, at: Position): never {
    throw modelError('parse', `${what} at ${describePosition(at)}`);
  }

  #emitName(name: string, at: Position): Value {
    const value = this.scope.find(name);
    return value ?? this.fail(`name ${name} is not defined`, at);
  }

  #emitLiteral(value: Extract<Expr, { readonly kind: 'literal' }>['value'], at: Position): Value {
    if (typeof value === 'bigint') return this.builder.number(value, at);
    if (typeof value === 'number' && Number.isFinite(value)) return this.builder.number(value, at);
    return this.builder.constant(literalConstant(value), at);
  }

  #emitList(items: readonly Expr[], hint: IrType | undefined, at: Position): Value {
    const wanted = hint === undefined ? undefined : unwrapOptional(hint);
    const values = items.map((item) => this.emit(item));
    const [first, ...rest] = values.map(({ type }) => type);
    if (wanted?.kind === 'list') {
      const inputs = values.map((value) => convertValue(this.builder, value, wanted.of, { scalars: true, at }));
      return this.builder.insertValue('prim::ListConstruct', { inputs, types: [wanted] });
    }
    const of = first === undefined ? TENSOR : rest.reduce(unifyTypes, first);
    const untyped = first === undefined ? { name: 'untyped' } : {};
    return this.builder.insertValue('prim::ListConstruct', {
      inputs: values,
      types: [{ kind: 'list', of }],
      ...untyped,
    });
  }

  #emitTuple(items: readonly Expr[], hint: IrType | undefined): Value {
    const wanted = hint?.kind === 'tuple' && hint.items.length === items.length ? hint.items : [];
    return makeTuple(
      this.builder,
      items.map((item, i) => this.emit(item, wanted[i])),
    );
  }

  #emitDict(entries: readonly (readonly [Expr, Expr])[], hint: IrType | undefined): Value {
    const wanted = hint === undefined ? undefined : unwrapOptional(hint);
    const of = wanted?.kind === 'dict' ? wanted : undefined;
    const pairs = entries.map(([key, value]) => [this.emit(key, of?.key), this.emit(value, of?.value)] as const);
    const [first, ...rest] = pairs.map(([, value]) => value.type);
    const type: IrType = of ?? {
      kind: 'dict',
      key: pairs[0]?.[0].type ?? STR,
      value: first === undefined ? TENSOR : rest.reduce(unifyTypes, first),
    };
    return this.builder.insertValue('prim::DictConstruct', { inputs: pairs.flat(), types: [type] });
  }

  /** Adds the nodes of `self.weight`, `CONSTANTS.c0`, `__torch__.Color.RED` or `point.x`. */
  #emitAttribute({ object, name, at }: Extract<Expr, { readonly kind: 'attribute' }>): Value {
    const path = this.#outsidePath(object);
    if (path === undefined) return this.emitAttributeOf(this.emit(object), name, at);
    if (path === 'CONSTANTS') {
      const constant = this.context.constants[Number(name.slice(1))];
      if (constant === undefined) this.fail(`CONSTANTS.${name} does not exist`, at);
      return this.builder.constant(constant, at);
    }
    const type = classType(path, this.context.program);
    if (type.kind === 'class' && type.form === 'enum') {
      return this.builder.constant({ kind: 'object', text: `${path}.${name}`, type }, at);
    }
    return this.fail(`${path}.${name} cannot be used as a value`, at);
  }

  /** The attribute of a value. */
  protected emitAttributeOf(value: Value, name: string, at: Position): Value {
    const { type } = value;
    if (type.kind === 'tuple') {
      const index = type.fields?.indexOf(name) ?? -1;
      if (index < 0) this.fail(`${type.name ?? 'a tuple'} has no item ${name}`, at);
      return this.#emitTupleIndex(value, this.builder.constant(BigInt(index), at));
    }
    if (type.kind === 'class' && type.form === 'enum') {
      if (name === 'name') return this.builder.insertValue('prim::EnumName', { inputs: [value], types: [STR] });
      const [member] = this.context.program.findClass(type.name)?.attributes ?? [];
      const of = member?.value?.kind === 'literal' ? typeOfConstant(literalConstant(member.value.value)) : ANY;
      return this.builder.insertValue('prim::EnumValue', { inputs: [value], types: [of] });
    }
    if (type.kind !== 'class') return callOperator(this.builder, `prim::${name}`, { args: [value], kwargs: [], at });
    const definition = this.context.program.findClass(type.name);
    const attribute = definition?.attributes.find((candidate) => candidate.name === name);
    if (attribute?.value !== undefined) return this.#emitClassConstant(attribute.value);
    const of = attribute === undefined ? ANY : readTypeExpr(attribute.type, this.context.program);
    const attributes = `name=${quote(name)}`;
    const result = this.builder.insertValue('prim::GetAttr', { inputs: [value], types: [of], attributes, name });
    result.name = /^\d/.test(name) ? `_${name}` : name;
    return result;
  }

  /** A constant of a class (`n : Final[int] = 3`). Each use is the value itself. */
  #emitClassConstant(expression: Expr): Value {
    return this.builder.constant(constantOf(expression), expression.at);
  }

  #emitIndex(object: Value, index: Value, at: Position): Value {
    if (object.type.kind === 'tuple') return this.#emitTupleIndex(object, index);
    if (object.type.kind === 'class')
      return callMethod(this, { self: object, method: '__getitem__' }, { args: [index], kwargs: [], at });
    return callOperator(this.builder, 'aten::__getitem__', { args: [object, index], kwargs: [], at });
  }

  #emitTupleIndex(tuple: Value, index: Value): Value {
    const items = tuple.type.kind === 'tuple' ? tuple.type.items : [];
    const position = index.node?.constant;
    const type = typeof position === 'bigint' ? items.at(Number(position)) : items.reduce(unifyTypes, items[0] ?? ANY);
    return this.builder.insertValue('prim::TupleIndex', { inputs: [tuple, index], types: [type ?? ANY] });
  }

  /** `(e)[i:j]`. A slice of a tuple is a new tuple. Other slices call the operator. */
  #emitSlice({ object, start, end, step, at }: Extract<Expr, { readonly kind: 'slice' }>): Value {
    const value = this.emit(object);
    const none = (part: Expr | undefined): Value => (part ? this.emit(part) : this.builder.constant(null, at));
    if (value.type.kind !== 'tuple') {
      const args = [value, none(start), none(end), ...(step === undefined ? [] : [this.emit(step)])];
      const dim = isSubtype(value.type, TENSOR) ? [this.builder.number(0n, at)] : [];
      return callOperator(this.builder, 'aten::slice', { args: [value, ...dim, ...args.slice(1)], kwargs: [], at });
    }
    const bound = (part: Expr | undefined): number | undefined =>
      part?.kind === 'literal' && typeof part.value === 'bigint' ? Number(part.value) : undefined;
    const positions = value.type.items.map((_, i) => i).slice(bound(start) ?? 0, bound(end));
    const items = positions.map((position) => {
      return this.#emitTupleIndex(value, this.builder.constant(BigInt(position), at));
    });
    return makeTuple(this.builder, items);
  }

  /** The dotted path of nested attributes on a name from outside of the function (`torch.nn`); undefined for the function's own variables. */
  #outsidePath(expression: Expr): string | undefined {
    if (expression.kind === 'name') return ROOTS.has(expression.name) ? expression.name : undefined;
    if (expression.kind !== 'attribute') return undefined;
    const path = this.#outsidePath(expression.object);
    return path === undefined ? undefined : `${path}.${expression.name}`;
  }

  #emitArguments({ args, kwargs, at }: CallExpr): CallArguments {
    return {
      args: args.map((arg) => this.emit(arg)),
      kwargs: kwargs.map(({ name, value }) => ({ name, value: this.emit(value) })),
      at,
    };
  }

  /** The qualified name of the archive's function or class to which an expression refers, if it refers to one. */
  protected definitionPath(expression: Expr): string | undefined {
    const path = this.#outsidePath(expression);
    if (path === undefined) return undefined;
    const { program } = this.context;
    const known = program.findFunction(path) !== undefined || program.findClass(path) !== undefined;
    return known ? path : undefined;
  }

  #emitCall(call: CallExpr, hint: IrType | undefined): Value {
    const { callee, at } = call;
    if (callee.kind === 'name') return this.#emitNamedCall(callee.name, call);
    if (callee.kind !== 'attribute') return this.fail('this cannot be called', at);
    const path = this.#outsidePath(callee);
    if (path === undefined) return this.#emitMethodCall(callee.object, callee.name, call, hint);
    const [root, ...rest] = path.split('.');
    const last = rest.at(-1) ?? '';
    if (root === 'torch') return callOperator(this.builder, `aten::${last}`, this.#emitArguments(call));
    if (root === 'ops') return callOperator(this.builder, rest.slice(-2).join('::'), this.#emitArguments(call));
    if (last === '__new__') {
      const type = classType(path.slice(0, -'.__new__'.length), this.context.program);
      return this.builder.insertValue('prim::CreateObject', { types: [type] });
    }
    return this.#emitPathCall(path, call);
  }

  /** Calls `__torch__.a.f(…)`: a function, or the constructor of a named tuple. */
  #emitPathCall(path: string, call: CallExpr): Value {
    const { at } = call;
    const definition = this.context.program.findFunction(path);
    const args = this.#emitArguments(call);
    if (definition !== undefined) return callFunction(this, { qualifiedName: path, definition }, args);
    const type = classType(path, this.context.program);
    if (type.kind === 'tuple') {
      const inputs = args.args.map((value, i) =>
        convertValue(this.builder, value, type.items[i] ?? ANY, { scalars: true, at }),
      );
      return makeTuple(this.builder, inputs, type);
    }
    const inputs = [...args.args, ...args.kwargs.map(({ value }) => value)];
    const attributes = `name=${quote(path)}`;
    return this.builder.insertValue('prim::CallFunction', { inputs, types: [ANY], attributes, sideEffect: true, at });
  }

  #emitMethodCall(object: Expr, method: string, call: CallExpr, hint: IrType | undefined): Value {
    const { at } = call;
    const self = this.emit(object);
    if (method === 'tolist' && hint !== undefined) return this.#emitToList(self, hint, at);
    const args = this.#emitArguments(call);
    if (self.type.kind === 'class') return callMethod(this, { self, method }, args);
    return callOperator(this.builder, `aten::${method}`, { ...args, args: [self, ...args.args] });
  }

  /** Adds the node of `annotate(List[int], x.tolist())`. */
  #emitToList(tensor: Value, type: IrType, at: Position): Value {
    let of = type;
    let depth = 0n;
    for (; of.kind === 'list'; of = of.of) depth++;
    const element = [INT, FLOAT, BOOL, COMPLEX].findIndex((candidate) => sameType(candidate, of));
    const inputs = [tensor, this.builder.constant(depth), this.builder.constant(BigInt(element))];
    return this.builder.insertValue('prim::tolist', { inputs, types: [type], at });
  }

  #emitNamedCall(name: string, call: CallExpr): Value {
    const { at } = call;
    if (name === 'getattr') return this.#emitGetattr(call);
    if (name === 'fork') return this.#emitFork(call);
    const path = this.scope.findPath(name);
    if (path !== undefined) return this.#emitPathCall(path, call);
    const args = this.#emitArguments(call);
    const [first] = args.args;
    if (Object.hasOwn(CASTS, name) && first !== undefined && args.args.length === 1) return this.#cast(name, first, at);
    if (name === 'print') {
      this.builder.insert('prim::Print', { inputs: args.args, sideEffect: true, at });
      return this.builder.constant(null, at);
    }
    return callOperator(this.builder, BUILTINS[name] ?? `aten::${name}`, args);
  }

  /** `getattr(e, "0")`: an attribute with a name that is not an identifier. */
  #emitGetattr(call: CallExpr): Value {
    const [object, name] = call.args;
    if (object === undefined || name?.kind !== 'literal' || typeof name.value !== 'string') {
      return this.fail('getattr needs an object and a name', call.at);
    }
    return this.emitAttributeOf(this.emit(object), name.value, call.at);
  }

  /** `fork(f)`: f has no parameters, but may use outer values. */
  #emitFork(call: CallExpr): Value {
    const [task, ...args] = call.args;
    const name = task?.kind === 'name' ? task.name : undefined;
    const definition = name === undefined ? undefined : this.scope.findFunction(name);
    const inputs = args.map((arg) => this.emit(arg));
    const node = this.builder.insert('prim::fork', {
      inputs,
      types: [{ kind: 'future', of: ANY }],
      sideEffect: true,
      at: call.at,
    });
    if (definition !== undefined) this.emitTask(node, definition);
    return node.outputs[0] as Value;
  }

  /** Adds the body of an inner function to a block of a node. */
  protected abstract emitTask(node: Node, definition: FunctionDef): void;

  #cast(name: string, value: Value, at: Position): Value {
    const cast = CASTS[name];
    if (cast === undefined || isSubtype(value.type, cast.type)) return value;
    return callOperator(this.builder, cast.kind, { args: [value], kwargs: [], at });
  }

  #emitTyped(expression: TypedExpr): Value {
    const { form, at } = expression;
    const [type = ANY, ...others] = expression.types.map((written) => readTypeExpr(written, this.context.program));
    if (form === 'uninitialized') return this.builder.insertValue('prim::Uninitialized', { types: [type] });
    const { value: inner } = expression;
    if (inner === undefined) return this.fail(`${form} needs a value`, at);
    if (form === 'isinstance') return this.#emitIsInstance(this.emit(inner), [type, ...others], at);
    if (form === 'annotate') return this.#emitAs(inner, type, at);
    const value = this.emit(inner);
    if (value.node?.kind === 'prim::unchecked_cast' && sameType(value.type, type)) return value;
    return this.builder.insertValue('prim::unchecked_cast', { inputs: [value], types: [type] });
  }

  /** A value of a declared type. None gets the declared optional type. */
  #emitAs(expression: Expr, type: IrType, at: Position): Value {
    const value = convertValue(this.builder, this.emit(expression, type), type, { scalars: true, at });
    if (type.kind === 'optional' && sameType(value.type, NONE)) return this.builder.constant(null, undefined, type);
    return value;
  }

  /** `isinstance`. If the types decide it, the result is a constant. */
  #emitIsInstance(value: Value, types: readonly IrType[], at: Position): Value {
    if (types.some((type) => isSubtype(value.type, type))) return this.builder.constant(true, at);
    if (!types.some((type) => canBe(value.type, type))) return this.builder.constant(false, at);
    const attributes = `types=[${types.map(printType).join(', ')}]`;
    return this.builder.insertValue('prim::isinstance', { inputs: [value], types: [BOOL], attributes });
  }

  /** Unpacks an expression into values. */
  protected unpack(value: Value, count: number, at: Position): readonly Value[] {
    if (value.type.kind === 'tuple') {
      if (value.type.items.length !== count) this.fail(`${value.type.items.length} items for ${count} names`, at);
      return unpackTuple(this.builder, value);
    }
    const of = value.type.kind === 'list' ? value.type.of : ANY;
    const types = Array.from({ length: count }, () => of);
    return this.builder.insert('prim::ListUnpack', { inputs: [value], types }).outputs;
  }
}

/** Whether a value of type `actual` can have type `type` at run time. */
function canBe(actual: IrType, type: IrType): boolean {
  if (isSubtype(type, actual)) return true;
  const kind = actual.kind === 'optional' ? actual.of.kind : actual.kind;
  if (type.kind !== 'simple') return false;
  return (type.name === 'AnyListType' && kind === 'list') || (type.name === 'AnyTupleType' && kind === 'tuple');
}
