import type { GraphBuilder } from '@sconce/onnx';

import { minimumOf, type Atom, type Dim } from './sym-int.ts';

/** A graph that is being built: the model's own, or the body of an If or Loop. */
export interface Scope {
  readonly builder: GraphBuilder;
  readonly depth: number;
  readonly parent: Scope | undefined;
  /** Graph values by a key of their content, so that each size is computed once per scope. */
  readonly known: Map<string, string>;
}

/** Adds the nodes that compute sizes at run time. Each size becomes an int64 value of shape [1]. */
export class DimEmitter {
  readonly #scope: () => Scope;
  readonly #int64: (values: readonly number[]) => string;

  /** `int64` gives the name of a constant 1-D int64 tensor. */
  constructor(scope: () => Scope, int64: (values: readonly number[]) => string) {
    this.#scope = scope;
    this.#int64 = int64;
  }

  /** The name of a value of shape [1]. */
  emit(dim: Dim): string {
    if (typeof dim === 'number') return this.#int64([dim]);
    return this.#once(`dim:${dim.key}`, () => {
      const terms = dim.terms.map((term) => {
        const factors = term.atoms.map((atom) => this.#atom(atom));
        if (term.factor !== 1 || factors.length === 0) factors.push(this.#int64([term.factor]));
        return this.#chain('Mul', factors);
      });
      return this.#chain('Add', terms);
    });
  }

  #chain(opType: string, values: readonly string[]): string {
    return values.reduce((left, right) => this.#scope().builder.node(opType, [left, right], { hint: 'size' }));
  }

  #atom(atom: Atom): string {
    return this.#once(`atom:${atom.key}`, () => {
      const { builder } = this.#scope();
      const { definition } = atom;
      const node = (opType: string, inputs: readonly string[]): string =>
        builder.node(opType, inputs, { hint: 'size' });
      switch (definition.kind) {
        case 'size':
          return builder.node('Shape', [definition.value], {
            attributes: { start: { int: definition.axis }, end: { int: definition.axis + 1 } },
            hint: 'size',
          });
        case 'value':
          return node('Reshape', [definition.value, this.#int64([1])]);
        case 'floordiv':
          return this.#floorDiv(definition.a, definition.b);
        case 'mul':
          return node('Mul', [this.emit(definition.a), this.emit(definition.b)]);
        case 'mod':
          return node('Mod', [this.emit(definition.a), this.emit(definition.b)]);
        case 'min':
        case 'max':
          return node(definition.kind === 'min' ? 'Min' : 'Max', [this.emit(definition.a), this.emit(definition.b)]);
        case 'broadcast': {
          const [a, b] = [this.emit(definition.a), this.emit(definition.b)];
          return node('Where', [node('Equal', [a, this.#int64([1])]), b, a]);
        }
      }
    });
  }

  /** ONNX's integer division truncates towards zero. Its Mod works as in Python. */
  #floorDiv(a: Dim, b: Dim): string {
    const { builder } = this.#scope();
    const [left, right] = [this.emit(a), this.emit(b)];
    if (minimumOf(a) >= 0 && minimumOf(b) >= 0) return builder.node('Div', [left, right], { hint: 'size' });
    const remainder = builder.node('Mod', [left, right], { hint: 'size' });
    return builder.node('Div', [builder.node('Sub', [left, remainder], { hint: 'size' }), right], { hint: 'size' });
  }

  #once(key: string, make: () => string): string {
    return onceInScope(this.#scope(), key, make);
  }
}

/** The graph value with a key in the scope or an outer scope. If there is none, calls `make` and keeps its result. */
export function onceInScope(scope: Scope, key: string, make: () => string): string {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const present = at.known.get(key);
    if (present !== undefined) return present;
  }
  const made = make();
  scope.known.set(key, made);
  return made;
}
