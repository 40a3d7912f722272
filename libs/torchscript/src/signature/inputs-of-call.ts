import type { TorchScriptArchive } from '../archive/torchscript-archive.ts';
import { Program } from '../frontend/program.ts';
import type { ParamDef, TypeExpr } from '../frontend/ast.ts';
import type { PickleValue } from '../pickle/pickle-value.ts';
import type { ScalarType } from '../scalar-type.ts';
import { modelError } from '../torchscript-error.ts';
import { countItems, keysOf, type InputOptions, type TensorInput } from './plan-inputs.ts';

/** One tensor of a call, flattened. A number is a tensor of rank 0. */
export interface CallArgument {
  readonly dtype: ScalarType;
  readonly rank: number;
}

/** The parameters of a method of the root module, without `self`. @throws SconceError `model_invalid` if there is no such method. */
export function methodParams(archive: TorchScriptArchive, program: Program, method: string): readonly ParamDef[] {
  const { className } = archive.root;
  const definition = program.findClass(className);
  if (definition === undefined) throw modelError('execute', `the code of ${className} is not in the archive`);
  const found = definition.methods.find(({ name }) => name === method);
  if (found !== undefined) return found.params.slice(1);
  const others = definition.methods.map(({ name }) => name).join(', ');
  throw modelError('execute', `the model has no method ${method}; it has ${others === '' ? 'none' : others}`);
}

/** The names and defaults of parameters that are numbers or strings and have a default. */
export function defaultsOf(params: readonly ParamDef[]): (readonly [string, boolean | bigint | number | string])[] {
  return params.flatMap(({ name, type, default: given }) => {
    const isPlain = ['int', 'float', 'bool', 'str'].includes(type?.name ?? '');
    return isPlain && given?.kind === 'literal' && typeof given.value !== 'object'
      ? [[name, given.value] as const]
      : [];
  });
}

/**
 * Describes a method's inputs by a call. The call's tensors are its arguments in order, with lists, tuples and dicts flattened. Every
 * axis stays free. `options.inputs` may name the keys of dicts and the items of lists that the archive does not know. Parameters after the last argument take their defaults.
 *
 * @throws SconceError `model_invalid` if the call has more arguments than the method takes.
 */
export function inputsOfCall(
  archive: TorchScriptArchive,
  call: readonly CallArgument[],
  options: InputOptions & { readonly method?: string; readonly fixed?: ReadonlySet<string> } = {},
): InputOptions {
  const method = options.method ?? 'forward';
  const params = methodParams(archive, new Program(archive.sources), method);
  const traced = archive.tracedInputs.get(method);
  const inputs = new Map<string, TensorInput>();
  let at = 0;
  let given = 0;
  const take = (name: string, type: TypeExpr | undefined, example: PickleValue | undefined, after: number): void => {
    const [inner] = type?.args ?? [];
    const parts = typeof example === 'object' && example !== null && 'items' in example ? example.items : undefined;
    switch (type?.name) {
      case 'Optional':
        return take(name, inner, example, after);
      case 'Tuple':
        type.args.forEach((of, i) => take(`${name}.${i}`, of, parts?.[i], after));
        return;
      case 'List': {
        const count = parts?.length ?? countItems(name, options) ?? Math.max(0, call.length - at - after);
        for (let i = 0; i < count; i++) take(`${name}.${i}`, inner, parts?.[i], after);
        return;
      }
      case 'Dict': {
        const entries =
          typeof example === 'object' && example !== null && example.kind === 'dict'
            ? example.entries
            : keysOf(name, options).map((key) => [key, undefined] as const);
        if (entries.length === 0) {
          throw modelError(
            'execute',
            `input ${name} is a dict with unknown keys: give each entry with --input ${name}.KEY:…, in the order of the call`,
          );
        }
        for (const [key, value] of entries) take(`${name}.${String(key)}`, type.args[1], value, after);
        return;
      }
      default: {
        const argument = call[at++];
        if (argument === undefined || ['int', 'float', 'bool'].includes(type?.name ?? '')) return;
        inputs.set(name, { dtype: argument.dtype, shape: Array.from({ length: argument.rank }, () => null) });
      }
    }
  };
  const isGiven = ({ name }: ParamDef): boolean => options.fixed?.has(name) !== true;
  for (const [i, param] of params.entries()) {
    if (at >= call.length) break;
    if (!isGiven(param)) continue;
    const required = params.slice(i + 1).filter((other) => isGiven(other) && other.default === undefined).length;
    take(param.name, param.type, traced?.[i], required);
    given = i + 1;
  }
  if (at < call.length) {
    throw modelError('execute', `the call has ${call.length} arguments, and ${method} takes ${at}`);
  }
  return { inputs, given };
}
