import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decodeSafetensors, type Tensor } from '@sconce/tensor';
import {
  methodParams,
  Program,
  type CallArgument,
  type InputOptions,
  type TensorInput,
  type TorchScriptArchive,
} from '@sconce/torchscript';

/** The structure of an argument before it was flattened: see README.md. */
export type ArgumentForm = string | readonly ArgumentForm[] | { readonly [key: string]: ArgumentForm };

export interface CaseCall {
  readonly inputs: number;
  readonly outputs: number;
  readonly args: readonly ArgumentForm[];
  /** The call fails in PyTorch with this message. */
  readonly raises?: string;
}

/** A row of a family's `index.json`. */
export interface CaseRow {
  readonly name: string;
  readonly how: 'trace' | 'script';
  readonly calls: readonly CaseCall[];
  readonly tolerance?: { readonly rtol: number; readonly atol: number };
  readonly stateful?: boolean;
  readonly random?: boolean;
  readonly refused?: boolean;
  readonly note?: string;
}

const CASES = fileURLToPath(new URL('cases/', import.meta.url));

/** All families with their rows. */
export function families(): { readonly family: string; readonly rows: readonly CaseRow[] }[] {
  const names = readdirSync(CASES).filter((name) => existsSync(`${CASES}${name}/index.json`));
  return names.sort().map((family) => ({
    family,
    rows: JSON.parse(readFileSync(`${CASES}${family}/index.json`, 'utf8')) as CaseRow[],
  }));
}

/** The path of an archive. */
export function archivePath(family: string, name: string): string {
  return `${CASES}${family}/${name}.pt`;
}

/** Returns a function that gives the tensors of a case. `side` is `in`, `out` or `ref`. */
export function readCase(family: string, name: string): (call: number, side: string) => Tensor[] {
  const path = `${CASES}${family}/${name}.safetensors`;
  const tensors = existsSync(path) ? decodeSafetensors(readFileSync(path)) : new Map<string, Tensor>();
  return tensorsOfCalls(tensors);
}

/** Returns a function that gives the tensors `CALL.SIDE.0`, `CALL.SIDE.1`, … of a safetensors file, in order. */
export function tensorsOfCalls(tensors: ReadonlyMap<string, Tensor>): (call: number, side: string) => Tensor[] {
  return (call, side) => {
    const found: Tensor[] = [];
    for (let i = 0; ; i++) {
      const tensor = tensors.get(`${call}.${side}.${i}`);
      if (tensor === undefined) return found;
      found.push(tensor);
    }
  };
}

/** The input options of a call for the compiler: tensors by name, strings and None as constants, numbers as inputs. */
export function optionsOf(call: CaseCall, archive: TorchScriptArchive, flat: readonly CallArgument[]): InputOptions {
  const params = methodParams(archive, new Program(archive.sources), 'forward');
  const inputs = new Map<string, TensorInput>();
  const args = new Map<string, null | string>();
  let at = 0;
  const take = (name: string, form: ArgumentForm): void => {
    if (typeof form === 'string') {
      if (form === 'none') args.set(name, null);
      else if (form.startsWith('str:')) args.set(name, form.slice(4));
      else {
        const { dtype = 'float32', rank = 0 } = flat[at++] ?? {};
        if (form === 'tensor') inputs.set(name, { dtype, shape: Array.from({ length: rank }, () => null) });
      }
      return;
    }
    const parts = Array.isArray(form) ? form.map((part, i) => [String(i), part] as const) : Object.entries(form);
    for (const [key, part] of parts as readonly (readonly [string, ArgumentForm])[]) take(`${name}.${key}`, part);
  };
  call.args.forEach((form, i) => {
    take(params[i]?.name ?? `argument ${i}`, form);
  });
  return { inputs, args, given: call.args.length };
}
