import type { FunctionDef } from '../frontend/ast.ts';
import type { Value } from './graph.ts';

/** The variables of one block. Names that it does not have are looked up in the outer scope. */
export class Scope {
  readonly values = new Map<string, Value>();
  /** Inner functions, which only `fork` calls. */
  readonly functions = new Map<string, FunctionDef>();
  /** Variables that name functions of the archive, with the qualified names: `softmax = __torch__.torch.nn.functional.softmax`. */
  readonly paths = new Map<string, string>();
  readonly #outer: Scope | undefined;

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  find(name: string): Value | undefined {
    return this.values.get(name) ?? this.#outer?.find(name);
  }

  findFunction(name: string): FunctionDef | undefined {
    return this.functions.get(name) ?? this.#outer?.findFunction(name);
  }

  findPath(name: string): string | undefined {
    return this.paths.get(name) ?? this.#outer?.findPath(name);
  }
}

/** Whether a person gave the name. A name such as `_0` comes from PyTorch. */
export function isMeaningful(name: string): boolean {
  return !/^_\d*$/.test(name);
}
