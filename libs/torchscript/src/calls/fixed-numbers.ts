import { viewOf, type ModelCall } from '@sconce/tensor';
import type { CompileOptions } from '../compile.ts';
import type { ParamDef } from '../frontend/ast.ts';

type Args = NonNullable<CompileOptions['args']>;
type Params = readonly ParamDef[];

/** A call without the arguments that the compiled model has fixed. */
export interface ReducedCall {
  readonly call: ModelCall;
  /** All fixed arguments. */
  readonly args: Args;
  /** The arguments that were fixed for this call, as `name = value`. */
  readonly fixed: readonly string[];
}

/** Whether each argument is one tensor. A list, tuple or dict is several tensors. */
function isFlat(params: Params): boolean {
  return params.every(
    ({ type }) => ![type?.name, type?.args[0]?.name].some((name) => /^(?:List|Tuple|Dict)$/.test(name ?? '')),
  );
}

/**
 * The call without the tensors of arguments in `args`. Cases hold every argument that PyTorch got. A call that leaves them out
 * already is returned as it is.
 */
export function withoutFixed(call: ModelCall, params: Params, args: Args): ModelCall {
  const open = params.filter(({ name }) => !args.has(name)).length;
  if (call.byName || !isFlat(params) || call.tensors.length <= open) return call;
  return { ...call, tensors: call.tensors.filter((_, i) => !args.has(params[i]?.name ?? '')) };
}

/** The call with its numbers fixed at compile time; undefined if it has none, or if their order does not show which they are. */
export function withNumbersFixed(call: ModelCall, params: Params, args: Args): ReducedCall | undefined {
  if (call.byName || !isFlat(params)) return undefined;
  const open = params.filter(({ name }) => !args.has(name));
  const numbers = new Map<string, boolean | bigint | number>();
  const tensors = call.tensors.filter((tensor, i) => {
    const param = open[i];
    const kind = param?.type?.name === 'Optional' ? param.type.args[0]?.name : param?.type?.name;
    const isNumber = kind === 'int' || kind === 'float' || kind === 'bool';
    if (param === undefined || !isNumber || tensor.shape.length > 0 || tensor.datatype === 'BYTES') return true;
    const [value = 0] = viewOf(tensor) as Iterable<number | bigint>;
    numbers.set(param.name, kind === 'bool' ? Number(value) !== 0 : kind === 'int' ? BigInt(value) : Number(value));
    return false;
  });
  if (numbers.size === 0) return undefined;
  const fixed = [...numbers].map(([name, value]) => `${name} = ${String(value)}`);
  return { call: { ...call, tensors }, args: new Map([...args, ...numbers]), fixed };
}
