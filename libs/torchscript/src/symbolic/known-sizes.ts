import { subDims, substitute, SymInt, type Dim } from './sym-int.ts';

/** The sizes of the inputs' free axes that the model requires. */
export class KnownSizes {
  /** Required sizes by input and axis. */
  readonly byInput = new Map<string, Map<number, number>>();
  /** Required sizes by the atom's key. */
  readonly #fixed = new Map<string, Dim>();
  /** Resolved sizes by the key of the size before. */
  readonly #resolved = new Map<string, Dim>();

  /** The size with the required sizes put in. */
  resolve(dim: Dim): Dim {
    if (this.#fixed.size === 0 || typeof dim === 'number') return dim;
    let resolved = this.#resolved.get(dim.key);
    if (resolved === undefined) {
      resolved = substitute(dim, (atom) => this.#fixed.get(atom.key));
      this.#resolved.set(dim.key, resolved);
    }
    return resolved;
  }

  /**
   * Notes that `a` and `b` must be equal. If one is a free axis of an input and the other a number, the axis gets that size.
   * Returns whether the two are now known to be equal.
   */
  require(a: Dim, b: Dim): boolean {
    const difference = subDims(a, b);
    if (!(difference instanceof SymInt)) return difference === 0;
    const constant = difference.terms.find((term) => term.atoms.length === 0)?.factor ?? 0;
    const rest = difference.terms.filter((term) => term.atoms.length > 0);
    const [term] = rest;
    const [atom] = term?.atoms ?? [];
    if (rest.length !== 1 || term?.atoms.length !== 1 || atom?.definition.kind !== 'size' || atom.depth > 0)
      return false;
    const value = -constant / term.factor;
    if (!Number.isInteger(value) || value < 0 || atom.isFree !== true) return false;
    this.#fixed.set(atom.key, value);
    this.#resolved.clear();
    const { value: input, axis } = atom.definition;
    this.byInput.set(input, (this.byInput.get(input) ?? new Map<number, number>()).set(axis, value));
    return true;
  }
}
