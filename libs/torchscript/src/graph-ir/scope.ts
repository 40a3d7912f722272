import type { FunctionDef } from '../frontend/ast.ts';
import type { Value } from './graph.ts';

/** Names and what they stand for, in one block; what is not found is looked for around it. */
export class Scope {
  readonly values = new Map<string, Value>();
  /** Functions defined within the function, which only `fork` calls. */
  readonly functions = new Map<string, FunctionDef>();
  /** Names for functions of the archive, by qualified name: `softmax = __torch__.torch.nn.functional.softmax`. */
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

/** Whether a name was given by a person: `_0` is one the printer made up. */
export function isMeaningful(name: string): boolean {
  return !/^_\d*$/.test(name);
}
