import type { FunctionDef } from '../frontend/ast.ts';
import { quote } from './constant.ts';
import type { ExpressionEmitter } from './expression-emitter.ts';
import type { Value } from './graph.ts';
import { ANY, FUNCTION, type IrType } from './ir-type.ts';
import { constantOf } from './literal-constant.ts';
import { matchCall, type CallArguments } from './match-call.ts';
import type { Signature } from './operator-table.ts';
import { readTypeExpr } from './read-type.ts';

/** Calls a function of the archive. */
export function callFunction(
  emitter: ExpressionEmitter,
  { qualifiedName, definition }: { readonly qualifiedName: string; readonly definition: FunctionDef },
  call: CallArguments,
): Value {
  const { builder } = emitter;
  const { inputs, type } = matchDefinition(emitter, definition, call);
  const constant = { kind: 'function' as const, name: definition.name, qualifiedName };
  const attributes = `name=${quote(definition.name)}`;
  const target = builder.insertValue('prim::Constant', { constant, attributes, types: [FUNCTION] });
  return builder.insertValue('prim::CallFunction', {
    inputs: [target, ...inputs],
    types: [type],
    sideEffect: true,
    name: qualifiedName,
    at: call.at,
  });
}

/** Calls a method of an object. If the archive's code does not define it, its result has type `Any`. */
export function callMethod(
  emitter: ExpressionEmitter,
  { self, method }: { readonly self: Value; readonly method: string },
  call: CallArguments,
): Value {
  const definition =
    self.type.kind === 'class'
      ? emitter.context.program.findClass(self.type.name)?.methods.find(({ name }) => name === method)
      : undefined;
  const { inputs, type } =
    definition === undefined
      ? { inputs: [self, ...call.args, ...call.kwargs.map(({ value }) => value)], type: ANY }
      : matchDefinition(emitter, definition, { ...call, args: [self, ...call.args] }, self);
  return emitter.builder.insertValue('prim::CallMethod', {
    inputs,
    types: [type],
    attributes: `name=${quote(method)}`,
    sideEffect: true,
    name: method,
    at: call.at,
  });
}

/**
 * Matches arguments with a function's parameters. `self` is the first argument of a method. Arguments that do not fit are passed
 * unchanged, because the graph is only printed.
 */
function matchDefinition(
  emitter: ExpressionEmitter,
  definition: FunctionDef,
  call: CallArguments,
  self?: Value,
): { readonly inputs: readonly Value[]; readonly type: IrType } {
  const { program } = emitter.context;
  const type = readTypeExpr(definition.returns, program);
  const signature: Signature = {
    args: definition.params.map((param, i) => ({
      name: param.name,
      type: (i === 0 ? self?.type : undefined) ?? readTypeExpr(param.type, program),
      default: param.default === undefined ? undefined : constantOf(param.default),
      kwargOnly: false,
    })),
    returns: [type],
    variadic: false,
    mutates: false,
  };
  const matched = matchCall(emitter.builder, [signature], call);
  return { inputs: matched?.inputs ?? [...call.args, ...call.kwargs.map(({ value }) => value)], type };
}
