import type { Emitter } from '../symbolic/emitter.ts';
import { freeAxis, symbol, valueAtom } from '../symbolic/sym-int.ts';
import {
  DictValue,
  ListValue,
  SymBool,
  SymFloat,
  type Scalar,
  type TensorValue,
  type Value,
} from '../symbolic/values.ts';
import { onnxTypeOf } from '../symbolic/onnx-types.ts';
import type { ParamDef, TypeExpr } from '../frontend/ast.ts';
import type { PickleValue } from '../pickle/pickle-value.ts';
import type { ScalarType } from '../scalar-type.ts';
import { modelError } from '../torchscript-error.ts';

/** The type of a tensor input. A free axis is null. */
export interface TensorInput {
  readonly dtype: ScalarType;
  readonly shape: readonly (number | null)[];
  /** Sizes of the input with which the model was traced, if the archive records them. */
  readonly example?: readonly number[];
}

/** One argument of the method, as planned before execution. */
export type ArgumentPlan =
  | ({ readonly kind: 'tensor'; readonly name: string } & TensorInput)
  /** A number that becomes a graph input of rank 0. */
  | { readonly kind: 'number'; readonly name: string; readonly type: 'int' | 'float' | 'bool' }
  /** A value fixed at compile time. */
  | { readonly kind: 'fixed'; readonly name: string; readonly value: null | boolean | bigint | number | string }
  | { readonly kind: 'list' | 'tuple'; readonly name: string; readonly items: readonly ArgumentPlan[] }
  | { readonly kind: 'dict'; readonly name: string; readonly entries: readonly (readonly [string, ArgumentPlan])[] };

/** The caller's description of the arguments. */
export interface InputOptions {
  /** Tensors by argument name. Parts of lists, tuples and dicts have names such as `name.0` and `name.key`. */
  readonly inputs?: ReadonlyMap<string, TensorInput>;
  /** Values fixed at compile time, by argument name. */
  readonly args?: ReadonlyMap<string, null | boolean | bigint | number | string>;
  /** Number of leading arguments that are given. The arguments after them take their defaults. Default: all tensors and numbers. */
  readonly given?: number;
}

/** A tensor argument whose type neither the caller nor the archive gives. */
export interface OpenInput {
  readonly name: string;
}

/** A method's arguments as planned, and the arguments of unknown type. */
export interface InputPlan {
  readonly arguments: readonly ArgumentPlan[];
  readonly open: readonly OpenInput[];
}

/** Plans a method's arguments (without `self`) from the caller's options, the inputs that a trace recorded, and the types in the code. */
export function planInputs(
  params: readonly ParamDef[],
  traced: readonly PickleValue[] | undefined,
  options: InputOptions,
): InputPlan {
  const open: OpenInput[] = [];
  const given = options.given ?? params.length;
  const planned = params.map((param, i) => {
    const { name } = param;
    if (options.args?.has(name) === true)
      return { kind: 'fixed', name, value: options.args.get(name) ?? null } as const;
    const mentioned = isMentioned(name, options);
    if (
      !mentioned &&
      (i >= given || (isOptional(param.type) && options.given === undefined)) &&
      param.default !== undefined
    ) {
      return undefined;
    }
    return planOne({ name, type: param.type, example: traced?.[i] }, { options, open });
  });
  while (planned.length > 0 && planned.at(-1) === undefined) planned.pop();
  const plans = planned.map((plan, i) => plan ?? defaultPlan(params[i]));
  return { arguments: plans, open };
}

function defaultPlan(param: ParamDef | undefined): ArgumentPlan {
  const value = param?.default?.kind === 'literal' ? param.default.value : null;
  return { kind: 'fixed', name: param?.name ?? '', value: typeof value === 'object' ? null : value };
}

function isMentioned(name: string, options: InputOptions): boolean {
  return [...(options.inputs?.keys() ?? [])].some((key) => key === name || key.startsWith(`${name}.`));
}

function isOptional(type: TypeExpr | undefined): boolean {
  return type?.name === 'Optional';
}

/** An argument, or a part of one: its name, its type in the code, and its value in the trace. */
interface Argument {
  readonly name: string;
  readonly type: TypeExpr | undefined;
  readonly example: PickleValue | undefined;
}

/** What planning works with: the caller's options, and the list of inputs of unknown type, to which it adds. */
interface Planning {
  readonly options: InputOptions;
  readonly open: OpenInput[];
}

function planOne(argument: Argument, planning: Planning): ArgumentPlan {
  const { name, type, example } = argument;
  const { options } = planning;
  const [inner, second] = type?.args ?? [];
  const part = (key: string, of: TypeExpr | undefined, value?: PickleValue): ArgumentPlan =>
    planOne({ name: `${name}.${key}`, type: of, example: value }, planning);
  switch (type?.name) {
    case 'Optional':
      return planOne({ name, type: inner, example }, planning);
    case 'int':
    case 'float':
    case 'bool':
      return { kind: 'number', name, type: type.name };
    case 'Tuple': {
      const values = exampleItems(example);
      return { kind: 'tuple', name, items: type.args.map((of, i) => part(String(i), of, values?.[i])) };
    }
    case 'List': {
      const values = exampleItems(example);
      const count = values?.length ?? countItems(name, options);
      if (count === undefined) {
        throw modelError(
          'execute',
          `input ${name} is a list of unknown length: give each element with --input ${name}.0:…`,
        );
      }
      const items = Array.from({ length: count }, (_, i) => part(String(i), inner, values?.[i]));
      return { kind: 'list', name, items };
    }
    case 'Dict': {
      const keys = exampleKeys(example) ?? keysOf(name, options);
      if (keys.length === 0) {
        throw modelError(
          'execute',
          `input ${name} is a dict with unknown keys: give each entry with --input ${name}.KEY:…`,
        );
      }
      return { kind: 'dict', name, entries: keys.map((key) => [key, part(key, second)] as const) };
    }
    case 'str':
    case 'Device':
    case 'NoneType':
      throw modelError('execute', `argument ${name} is a ${type?.name ?? 'value'}: fix it with --arg ${name}=…`);
    case undefined:
    case 'Tensor':
      return tensorPlan(argument, planning);
    default:
      return anyPlan(argument, planning);
  }
}

/** An argument that may have several types (`Any`, `Union`): the caller's description or the trace says which it has. */
function anyPlan(argument: Argument, planning: Planning): ArgumentPlan {
  const { name, type, example } = argument;
  const { options } = planning;
  const part = (key: string, value?: PickleValue): ArgumentPlan =>
    planOne({ name: `${name}.${key}`, type: ANY, example: value }, planning);
  const isTensor = typeof example === 'object' && example !== null && example.kind === 'tensor';
  if (options.inputs?.has(name) === true || isTensor) return tensorPlan(argument, planning);
  const items = exampleItems(example);
  const count = items?.length ?? countItems(name, options);
  if (count !== undefined) {
    return { kind: 'list', name, items: Array.from({ length: count }, (_, i) => part(String(i), items?.[i])) };
  }
  const keys = exampleKeys(example) ?? keysOf(name, options);
  if (keys.length > 0) return { kind: 'dict', name, entries: keys.map((key) => [key, part(key)] as const) };
  throw modelError(
    'execute',
    `argument ${name} has type ${type?.name ?? 'unknown'}, so its type must be said: --input '${name}:float32[-1,3]' for a tensor, ` +
      `--input '${name}.0:…' for the items of a list, --input '${name}.KEY:…' for a dict, or --arg ${name}=… to fix it`,
  );
}

const ANY: TypeExpr = { name: 'Any', args: [] };

function tensorPlan({ name, example }: Argument, { options, open }: Planning): ArgumentPlan {
  const given = options.inputs?.get(name);
  if (given !== undefined) return { kind: 'tensor', name, ...given };
  if (example !== undefined && example !== null && typeof example === 'object' && example.kind === 'tensor') {
    // Other calls may have other sizes than the example: every axis stays free until something in the model fixes it.
    return {
      kind: 'tensor',
      name,
      dtype: example.storage.dtype,
      shape: example.sizes.map(() => null),
      example: example.sizes,
    };
  }
  open.push({ name });
  return { kind: 'tensor', name, dtype: 'float32', shape: [] };
}

function exampleItems(example: PickleValue | undefined): readonly PickleValue[] | undefined {
  if (example === undefined || example === null || typeof example !== 'object') return undefined;
  return example.kind === 'list' || example.kind === 'tuple' ? example.items : undefined;
}

function exampleKeys(example: PickleValue | undefined): string[] | undefined {
  if (example === undefined || example === null || typeof example !== 'object' || example.kind !== 'dict')
    return undefined;
  return example.entries.map(([key]) => String(key));
}

/** How many items of a list the caller describes: `NAME.0`, `NAME.1`, … */
export function countItems(name: string, options: InputOptions): number | undefined {
  let count = 0;
  while (isMentioned(`${name}.${count}`, options)) count++;
  return count === 0 ? undefined : count;
}

/** The keys of a dict that the caller describes, in that order: `NAME.KEY`. */
export function keysOf(name: string, options: InputOptions): string[] {
  const keys = [...(options.inputs?.keys() ?? [])].filter((key) => key.startsWith(`${name}.`));
  return [...new Set(keys.map((key) => key.slice(name.length + 1).split('.')[0] ?? ''))];
}

/** Declares the graph inputs of a plan. Returns the values with which to call the method. */
export function bindInputs(plans: readonly ArgumentPlan[], emitter: Emitter): Value[] {
  return plans.map((plan) => bindInput(plan, emitter));
}

function bindInput(plan: ArgumentPlan, emitter: Emitter): Value {
  switch (plan.kind) {
    case 'tensor':
      return tensorInput(plan.name, plan, emitter);
    case 'number':
      return numberInput(plan.name, plan.type, emitter);
    case 'fixed':
      return plan.value;
    case 'list':
      return new ListValue(plan.items.map((item) => bindInput(item, emitter)));
    case 'tuple':
      return { kind: 'tuple', items: plan.items.map((item) => bindInput(item, emitter)) };
    case 'dict':
      return new DictValue(plan.entries.map(([key, item]) => [key, bindInput(item, emitter)] as const));
  }
}

/** Declares a tensor input. A free axis may hold no element. */
export function tensorInput(name: string, input: TensorInput, emitter: Emitter): TensorValue {
  emitter.root.input({
    name,
    datatype: onnxTypeOf(input.dtype),
    shape: input.shape.map((size, axis) => size ?? `${name}_${axis}`),
  });
  const shape = input.shape.map((size, axis) => size ?? symbol(freeAxis(name, axis)));
  return emitter.graphTensor(name, input.dtype, shape);
}

/** Declares a number input of rank 0. */
export function numberInput(name: string, type: 'int' | 'float' | 'bool', emitter: Emitter): Scalar {
  const dtype = type === 'int' ? 'int64' : type === 'float' ? 'float64' : 'bool';
  emitter.root.input({ name, datatype: onnxTypeOf(dtype), shape: [] });
  if (type === 'int') return symbol(valueAtom(name, 0));
  return type === 'float' ? new SymFloat(name, 0) : new SymBool({ kind: 'value', value: name, depth: 0 });
}
