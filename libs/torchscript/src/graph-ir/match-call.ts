import type { Position } from '../frontend/ast.ts';
import type { Node, Value } from './graph.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { ANY, DEVICE, isSubtype, NONE, SCALAR, sameType, STR, TENSOR, unwrapOptional, type IrType } from './ir-type.ts';
import { canonicalName } from './operator-aliases.ts';
import { overloadsOf, type Signature, type SignatureArgument } from './operator-table.ts';
import { bindVariables, substitute, type TypeBindings } from './type-variables.ts';

/** The arguments of a call, and its place. */
export interface CallArguments {
  readonly args: readonly Value[];
  readonly kwargs: readonly { readonly name: string; readonly value: Value }[];
  readonly at: Position;
}

/** Options of {@link convertValue}. */
export interface ConversionOptions {
  /** Whether a tensor may become a number, and a number another kind of number. */
  readonly scalars: boolean;
  readonly at: Position;
}

/** A call with arguments that fit: all inputs in order, with defaults filled in, and the types of the results. */
export interface MatchedCall {
  readonly inputs: readonly Value[];
  readonly returns: readonly IrType[];
  readonly signature: Signature;
}

/** Implicit conversions of a tensor and of a number, by the required type. They happen only if no signature fits without them. */
const TENSOR_CONVERSIONS: Readonly<Record<string, string>> = {
  float: 'aten::FloatImplicit',
  complex: 'aten::ComplexImplicit',
  int: 'aten::IntImplicit',
  Scalar: 'aten::ScalarImplicit',
};
const NUMBER_CONVERSIONS: Readonly<Record<string, string>> = {
  float: 'aten::Float',
  complex: 'aten::Complex',
  int: 'aten::Int',
};

/**
 * Chooses a signature as PyTorch does: the first that fits without implicit conversions, otherwise the first that fits with them.
 * Nodes that a failed attempt added are not used and are removed later.
 */
export function matchCall(
  builder: GraphBuilder,
  signatures: readonly Signature[],
  call: CallArguments,
): MatchedCall | undefined {
  for (const conversions of signatures.length === 1 ? [true] : [false, true]) {
    for (const signature of signatures) {
      const matched = new Attempt(builder, signature, call, conversions).match();
      if (matched !== undefined) return matched;
    }
  }
  return undefined;
}

/** Tries one signature. */
class Attempt {
  readonly #builder: GraphBuilder;
  readonly #signature: Signature;
  readonly #call: CallArguments;
  readonly #conversions: boolean;
  readonly #bindings: TypeBindings = new Map();

  constructor(builder: GraphBuilder, signature: Signature, call: CallArguments, conversions: boolean) {
    this.#builder = builder;
    this.#signature = signature;
    this.#call = call;
    this.#conversions = conversions;
  }

  match(): MatchedCall | undefined {
    const { args, kwargs } = this.#call;
    const formals = this.#signature.args;
    const inputs: Value[] = [];
    const usedKwargs = new Set<string>();
    let used = 0;
    for (const [i, formal] of formals.entries()) {
      let actual: Value | undefined;
      const first = args[used];
      if (!formal.kwargOnly && first !== undefined) {
        if (this.#takesTheRest(formal, formals[i + 1], first)) {
          actual = this.#listOf(formal, args.slice(used));
          used = args.length;
        } else {
          actual = this.#fit(formal, first);
          used++;
        }
      } else {
        const kwarg = kwargs.find(({ name }) => name === formal.name);
        if (kwarg !== undefined) {
          usedKwargs.add(kwarg.name);
          actual = this.#fit(formal, kwarg.value);
        } else if (formal.default !== undefined) {
          actual = this.#fit(formal, this.#builder.constant(formal.default));
        }
      }
      if (actual === undefined) return undefined;
      inputs.push(actual);
    }
    if (this.#signature.variadic) for (const rest of args.slice(used)) inputs.push(rest);
    else if (used < args.length) return undefined;
    if (usedKwargs.size < kwargs.length) return undefined;
    const returns = this.#signature.returns.map((type) => substitute(type, this.#bindings) ?? ANY);
    return { inputs, returns, signature: this.#signature };
  }

  /** Whether the last list parameter accepts single values: `zeros(1, 2)` for `zeros([1, 2])`. */
  #takesTheRest(formal: SignatureArgument, next: SignatureArgument | undefined, first: Value): boolean {
    if (!this.#conversions || formal.size !== undefined || (next !== undefined && !next.kwargOnly)) return false;
    if (formal.type.kind !== 'list' || formal.type.of.kind === 'variable' || first.type.kind === 'list') return false;
    return !isTupleLikeList(first.type, formal.type);
  }

  #listOf(formal: SignatureArgument, values: readonly Value[]): Value | undefined {
    if (formal.type.kind !== 'list') return undefined;
    const { of } = formal.type;
    const items = values.map((value) => this.#fit({ ...formal, type: of }, value));
    const found = items.filter((item) => item !== undefined);
    if (found.length < items.length) return undefined;
    return this.#builder.insertValue('prim::ListConstruct', { inputs: found, types: [formal.type] });
  }

  /** The value, converted for this parameter; undefined if it does not fit. */
  #fit(formal: SignatureArgument, actual: Value): Value | undefined {
    let value = actual;
    const wanted = unwrapOptional(formal.type);
    const repeated = formal.size !== undefined && wanted.kind === 'list' && sameType(wanted.of, value.type);
    if (repeated && value.type.kind === 'simple' && ['int', 'float'].includes(value.type.name)) {
      const inputs = Array.from({ length: formal.size ?? 0 }, () => actual);
      const types: readonly [IrType] = [{ kind: 'list', of: value.type }];
      value = this.#builder.insertValue('prim::ListConstruct', { inputs, types });
    }
    if (!bindVariables(formal.type, value.type, this.#bindings)) return undefined;
    const concrete = substitute(formal.type, this.#bindings);
    if (concrete === undefined) return undefined;
    value = convertValue(this.#builder, value, concrete, { scalars: this.#conversions, at: this.#call.at });
    return isSubtype(value.type, concrete) ? value : undefined;
  }
}

/** Whether a tuple can become a list of this type. */
function isTupleLikeList(type: IrType, list: IrType): boolean {
  if (list.kind !== 'list') return false;
  if (isSubtype(type, list)) return true;
  return type.kind === 'tuple' && type.items.every((item) => isSubtype(item, list.of));
}

/** Converts a value implicitly as PyTorch does. If that is not possible, the result still has another type. */
export function convertValue(builder: GraphBuilder, original: Value, type: IrType, options: ConversionOptions): Value {
  let value = original;
  if (type.kind === 'optional' && value.type.kind !== 'optional' && !sameType(value.type, NONE)) {
    return convertValue(builder, value, type.of, options);
  }
  if (value.type.kind === 'list' && type.kind === 'list' && isUntypedEmptyList(value.node)) {
    return builder.insertValue('prim::ListConstruct', { types: [type] });
  }
  if (value.type.kind === 'tuple') {
    const wanted = unwrapOptional(type);
    if (wanted.kind === 'list' && isTupleLikeList(value.type, wanted)) {
      const inputs = unpackTuple(builder, value);
      value = builder.insertValue('prim::ListConstruct', { inputs, types: [wanted] });
    } else if (wanted.kind === 'tuple' && !isSubtype(value.type, wanted) && sameLength(wanted, value.type)) {
      const inputs = unpackTuple(builder, value).map((item, i) =>
        convertValue(builder, item, wanted.items[i] ?? ANY, options),
      );
      value = makeTuple(builder, inputs);
    }
  }
  return options.scalars ? convertScalar(builder, value, type, options.at) : value;
}

function sameLength(a: { readonly items: readonly IrType[] }, b: { readonly items: readonly IrType[] }): boolean {
  return a.items.length === b.items.length;
}

/** `[]` without a type is a list of tensors, but a list of any type if its place requires that. */
function isUntypedEmptyList(node: Node | undefined): boolean {
  return node?.kind === 'prim::ListConstruct' && node.name === 'untyped';
}

function convertScalar(builder: GraphBuilder, value: Value, type: IrType, at: Position): Value {
  if (type.kind !== 'simple') return value;
  let kind: string | undefined;
  if (isSubtype(value.type, TENSOR)) kind = TENSOR_CONVERSIONS[type.name];
  else if (sameType(value.type, SCALAR)) kind = NUMBER_CONVERSIONS[type.name];
  else if (sameType(value.type, STR) && sameType(type, DEVICE)) kind = 'aten::device';
  return kind === undefined ? value : builder.insertValue(kind, { inputs: [value], types: [type], at });
}

/** A tuple of values. */
export function makeTuple(builder: GraphBuilder, inputs: readonly Value[], type?: IrType): Value {
  const tuple: IrType = type ?? { kind: 'tuple', items: inputs.map((input) => input.type) };
  return builder.insertValue('prim::TupleConstruct', { inputs, types: [tuple] });
}

/** A tuple's items. If the tuple was just made, these are the values from which it was made. */
export function unpackTuple(builder: GraphBuilder, value: Value): readonly Value[] {
  if (value.node?.kind === 'prim::TupleConstruct') return value.node.inputs;
  const types = value.type.kind === 'tuple' ? value.type.items : [];
  return builder.insert('prim::TupleUnpack', { inputs: [value], types }).outputs;
}

/** The call as in PyTorch's graph: with the canonical name, and `sub(b, a)` for `rsub(a, b)`. */
function canonicalCall(
  kind: string,
  inputs: readonly Value[],
): { readonly name: string; readonly inputs: readonly Value[] } {
  const [first, second, ...rest] = inputs;
  const type = first?.type.kind === 'list' ? first.type.of : first?.type;
  if (first === undefined || type === undefined || !sameType(type, TENSOR)) return { name: kind, inputs };
  if (kind === 'aten::rsub' && second !== undefined && sameType(second.type, TENSOR)) {
    return { name: 'aten::sub', inputs: [second, first, ...rest] };
  }
  return { name: canonicalName(kind), inputs };
}

/** Operators with side effects, in addition to operators that change their arguments. */
const SIDE_EFFECTS: ReadonlySet<string> = new Set([
  'prim::Print',
  'prim::RaiseException',
  'aten::warn',
  'aten::save',
  'aten::manual_seed',
  'aten::wait',
  'aten::set_grad_enabled',
]);

/**
 * Calls an operator. If it is unknown, or the arguments do not fit, it is added as in the code, with a result of type `Any`: graphs
 * of unsupported models can be printed too.
 */
export function callOperator(builder: GraphBuilder, kind: string, call: CallArguments): Value {
  const { at } = call;
  const matched = matchCall(builder, overloadsOf(kind, builder.release), call);
  if (matched === undefined) {
    const inputs = [...call.args, ...call.kwargs.map(({ value }) => value)];
    return builder.insertValue(kind, { inputs, types: [ANY], sideEffect: true, at });
  }
  const sideEffect = matched.signature.mutates || SIDE_EFFECTS.has(kind);
  const { name, inputs } = canonicalCall(kind, matched.inputs);
  const node = builder.insert(name, { inputs, types: matched.returns, sideEffect, at });
  const [only] = node.outputs;
  return node.outputs.length === 1 && only !== undefined ? only : makeTuple(builder, node.outputs);
}
