import { SconceError } from '@sconce/errors';

import type { Emitter } from '../symbolic/emitter.ts';
import type { OperatorCall } from '../symbolic/operator-call.ts';
import type { UnsupportedReport } from '../symbolic/unsupported-report.ts';
import { broadcastDims, sameDim, SymInt } from '../symbolic/sym-int.ts';
import {
  isTuple,
  kindOf,
  ListValue,
  TensorValue,
  UnknownValue,
  type TupleValue,
  type Value,
} from '../symbolic/values.ts';
import { modelError } from '../torchscript-error.ts';
import { isComplex } from './complex.ts';
import { lowerComplex } from './complex-operators.ts';
import { convertArgument, convertDefault, NotConcrete } from './convert-argument.ts';
import type { LowerResult, OpDefinition } from './define-op.ts';
import { lowerQuantized } from './quantized-fallback.ts';

/** The supported operators, by name without overload. */
export type OperatorTable = ReadonlyMap<string, readonly OpDefinition[]>;

/** The operators to choose from, the graph that they add to, and the report of unsupported uses. */
export interface OperatorTools {
  readonly table: OperatorTable;
  readonly context: Emitter;
  readonly report: UnsupportedReport;
}

/**
 * Calls an operator by its name in the code. It takes the first overload that the arguments fit. In-place (`add_`) and `out=`
 * variants are made from the operator itself. Unsupported calls are reported; their result is an UnknownValue, so that execution
 * continues.
 */
export function callOperator({ table, report, context }: OperatorTools, call: OperatorCall): Value {
  const { name, args, kwargs, at } = call;
  context.operators.set(name, (context.operators.get(name) ?? 0) + 1);
  const [first] = args;
  // A loop may append to a list that it does not read: `list += items` must not read it.
  if (name === 'aten::add_' && first instanceof ListValue) {
    callOperator({ table, report, context }, { ...call, name: 'aten::extend' });
    return first;
  }
  const inPlace = !table.has(name) && name.endsWith('_') && !name.endsWith('__') && table.has(name.slice(0, -1));
  const definitions = table.get(inPlace ? name.slice(0, -1) : name);
  if (definitions === undefined) {
    if (!args.some(isUnknown))
      report.add({ op: name, reason: 'the operator is not supported', hint: hintFor(name), at });
    return new UnknownValue();
  }
  const out = kwargs.get('out');
  const given = new Map([...kwargs].filter(([key]) => key !== 'out'));
  try {
    const bound = bind(context, definitions, args, given);
    if (bound === undefined) {
      if (![...args, ...kwargs.values()].some(isUnknown)) {
        report.add({ op: name, reason: noOverload(definitions, args, given), hint: '', at });
      }
      return new UnknownValue();
    }
    const { definition, values } = bound;
    if (!definition.symbolicScalars && [...args, ...kwargs.values()].some(isUnknown)) return new UnknownValue();
    const result = asValue(
      definition,
      lowerComplex(context, definition, values) ?? lowerQuantized(context, definition, values),
    );
    noteFixedRows(context, call, result);
    const target = inPlace ? args[0] : out;
    return target instanceof TensorValue && result instanceof TensorValue
      ? assignInPlace(context, target, result, inPlace)
      : result;
  } catch (thrown) {
    if (thrown instanceof SconceError && thrown.code === 'model_invalid' && thrown.details['stage'] === 'lower') {
      const hint = thrown.details['hint'];
      report.add({ op: name, reason: thrown.message, hint: typeof hint === 'string' ? hint : '', at });
      return new UnknownValue();
    }
    throw thrown;
  }
}

/** Operators that get the shape of their result as an argument. */
const TAKES_SHAPE = new Set(['aten::view', 'aten::reshape', 'aten::_unsafe_view', 'aten::expand', 'aten::repeat']);

/** Notes places at which the code gives a fixed size to an axis 0 that had the size of an input's axis 0: a fixed batch size. */
function noteFixedRows(context: Emitter, { name, args: [from], at }: OperatorCall, to: Value): void {
  if (!TAKES_SHAPE.has(name) || !(from instanceof TensorValue) || !(to instanceof TensorValue)) return;
  const [before, after] = [from.content.shape[0], to.content.shape[0]];
  const rows = before instanceof SymInt && before.terms[0]?.atoms.some(({ definition }) => isRows(definition));
  if (rows !== true || typeof after !== 'number' || after < 1) return;
  if (!context.fixedRows.has(after)) context.fixedRows.set(after, at);
}

const isRows = (definition: SymInt['terms'][number]['atoms'][number]['definition']): boolean =>
  definition.kind === 'size' && definition.axis === 0;

/** The in-place variant: casts and expands the result to the tensor's dtype and shape, and makes it the tensor's content. */
function assignInPlace(context: Emitter, target: TensorValue, result: TensorValue, keepShape: boolean): TensorValue {
  // Views of complex tensors are not linked to their bases.
  if (isComplex(target.dtype)) context.unsupported('a complex tensor that is changed in place', 'make a new tensor');
  const cast = context.cast(result, target.dtype);
  const { shape } = target.content;
  const same =
    cast.content.shape.length === shape.length && shape.every((dim, i) => sameDim(dim, cast.content.shape[i] ?? -1));
  const agreed =
    cast.content.shape.length === shape.length &&
    shape.every((dim, i) => sameDim(broadcastDims(dim, cast.content.shape[i] ?? 1), cast.content.shape[i] ?? 1));
  const content = same || !keepShape || agreed ? cast : context.expand(cast, shape);
  context.heap.setTensor(
    target,
    keepShape ? { ...content.content, shape, contiguous: target.content.contiguous } : content.content,
  );
  return target;
}

/** An overload and its converted arguments. */
interface Bound {
  readonly definition: OpDefinition;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * The first overload that the arguments fit. If they fit none, tensors of rank 0 are converted to numbers: in traced code, sizes are
 * such tensors.
 */
function bind(
  context: Emitter,
  definitions: readonly OpDefinition[],
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Bound | undefined {
  const exact = bindExactly(definitions, args, kwargs);
  if (exact !== undefined || ![...args, ...kwargs.values()].some(holdsNumber)) return exact;
  const number = (value: Value): Value => {
    if (value instanceof TensorValue) return value.rank === 0 ? context.item(value) : value;
    return value instanceof ListValue && holdsNumber(value) ? new ListValue(value.items.map(number)) : value;
  };
  // Arguments are converted one by one from the last, because the first is usually the tensor that the operator works on.
  for (let from = args.length; from >= 0; from--) {
    const read = args.map((value, i) => (i >= from ? number(value) : value));
    const bound = bindExactly(definitions, read, new Map([...kwargs].map(([name, value]) => [name, number(value)])));
    if (bound !== undefined) return bound;
  }
  return undefined;
}

/** Whether a value is a tensor of rank 0, or a list that holds one. */
function holdsNumber(value: Value): boolean {
  if (value instanceof ListValue) return value.stored.some(holdsNumber);
  return value instanceof TensorValue && value.rank === 0;
}

function bindExactly(
  definitions: readonly OpDefinition[],
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Bound | undefined {
  let notConcrete = false;
  for (const definition of definitions) {
    try {
      const values = bindOverload(definition, args, kwargs);
      if (values !== undefined) return { definition, values };
    } catch (thrown) {
      if (!(thrown instanceof NotConcrete)) throw thrown;
      notConcrete = true;
    }
  }
  if (notConcrete) {
    throw modelError(
      'lower',
      'an argument depends on the input’s data or sizes, and the operator needs it at compile time',
      {
        hint: 'fix the sizes it depends on with --input name:dtype[sizes], or the argument with --arg name=value',
      },
    );
  }
  return undefined;
}

function bindOverload(
  definition: OpDefinition,
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): Readonly<Record<string, unknown>> | undefined {
  const { schema, symbolicScalars } = definition;
  const positional = schema.args.filter((arg) => !arg.kwargOnly).length;
  if (args.length > positional && !schema.variadic) return undefined;
  const names = new Set(schema.args.map((arg) => arg.name));
  for (const name of kwargs.keys()) if (!names.has(name)) return undefined;
  const values: Record<string, unknown> = schema.variadic ? { '...': new ListValue(args.slice(positional)) } : {};
  for (const [i, arg] of schema.args.entries()) {
    const value = i < args.length ? args[i] : kwargs.get(arg.name);
    if (value === undefined) {
      if (arg.default === undefined) return undefined;
      values[arg.name] = convertDefault(arg.default, arg.type, symbolicScalars);
      continue;
    }
    const converted = convertArgument(value, arg.type, symbolicScalars);
    if (converted === undefined) return undefined;
    values[arg.name] = converted.value;
  }
  return values;
}

function asValue(definition: OpDefinition, result: LowerResult): Value {
  if (result === undefined) return null;
  if (!Array.isArray(result)) return result as Value;
  const { returns } = definition.schema;
  const [first] = returns;
  const isList = returns.length === 1 && first?.kind === 'list';
  if (isList) return new ListValue(result as readonly Value[]);
  const tuple: TupleValue = { kind: 'tuple', items: result as readonly Value[] };
  return tuple;
}

function isUnknown(value: Value): boolean {
  if (value instanceof UnknownValue) return true;
  if (value instanceof ListValue) return value.stored.some(isUnknown);
  return isTuple(value) && value.items.some(isUnknown);
}

function noOverload(
  definitions: readonly OpDefinition[],
  args: readonly Value[],
  kwargs: ReadonlyMap<string, Value>,
): string {
  const given = [...args.map(kindOf), ...[...kwargs].map(([name, value]) => `${name}=${kindOf(value)}`)].join(', ');
  const known = definitions.map(({ schema }) => schema.text).join('\n      ');
  return `no supported overload takes (${given}); supported:\n      ${known}`;
}

/** Advice for an operator that is not supported, by its namespace. */
function hintFor(name: string): string {
  const [namespace = ''] = name.split('::');
  if (namespace === 'quantized' || name.startsWith('aten::quantize')) {
    return 'docs/supported-ops.md lists the supported quantized operators: use these, or compile the float model from which it was made';
  }
  if (namespace === 'prepacked')
    return 'the archive was optimised for mobile: save the model before optimize_for_mobile';
  if (namespace !== 'aten' && namespace !== 'prim')
    return 'it comes from a C++ extension: rewrite it with PyTorch’s own operators';
  return 'docs/supported-ops.md lists the supported operators; use these, or export the model to ONNX';
}
