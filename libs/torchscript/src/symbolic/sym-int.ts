/**
 * Integers that are known only at run time: sizes of free axes, and numbers that are computed from them.
 *
 * A SymInt is a polynomial with integer coefficients over atoms. Two SymInts are equal if and only if their keys are equal. So
 * `(n * 4) / 4` is `n` again, and the compiler recognises a reshape that keeps an axis. A number that is no polynomial (an inexact
 * floor division, a remainder, a minimum, a broadcast, a number read from a tensor) is an atom. Equal operands give the same atom.
 */
export interface Atom {
  /** Equal definitions have equal keys. */
  readonly key: string;
  readonly definition: AtomDefinition;
  /** Lower bound; -Infinity if there is none. */
  readonly min: number;
  /** Depth of the graph (0 is the model's own) in which the atom can be computed. */
  readonly depth: number;
  /** Whether it is a free axis of an input of the model. */
  readonly isFree?: boolean;
}

export type AtomDefinition =
  /** Size of axis `axis` of a graph value. */
  | { readonly kind: 'size'; readonly value: string; readonly axis: number }
  /** The one element of an int64 graph value of rank 0. */
  | { readonly kind: 'value'; readonly value: string }
  /**
   * An operation on two sizes. `broadcast` is the size to which PyTorch broadcasts both: the one that is not 1. `mul` is a product
   * that is too long to expand.
   */
  | { readonly kind: Operation; readonly a: Dim; readonly b: Dim };

type Operation = 'floordiv' | 'mod' | 'min' | 'max' | 'broadcast' | 'mul';

interface Term {
  readonly factor: number;
  /** Sorted by key; an atom may occur more than once. */
  readonly atoms: readonly Atom[];
}

/** A size: a number, or a SymInt if it is known only at run time. */
export type Dim = number | SymInt;

/** A polynomial over atoms that is not a plain number. Make it with {@link symbol} and the functions below. */
export class SymInt {
  readonly terms: readonly Term[];
  readonly key: string;

  constructor(terms: readonly Term[]) {
    this.terms = terms;
    this.key = terms.map(termText).join('+');
  }

  toString(): string {
    return this.key;
  }
}

const atomsKey = (term: Term): string => term.atoms.map((atom) => atom.key).join('*');
const termText = (term: Term): string =>
  term.atoms.length === 0 ? `${term.factor}` : term.factor === 1 ? atomsKey(term) : `${term.factor}*${atomsKey(term)}`;

/** An atom as a SymInt. */
export function symbol(atom: Atom): SymInt {
  return new SymInt([{ factor: 1, atoms: [atom] }]);
}

/** The size of an axis of a graph value. */
export function sizeAtom(value: string, axis: number, depth: number): Atom {
  return { key: `size(${value},${axis})`, definition: { kind: 'size', value, axis }, min: 0, depth };
}

/** The size of a free axis of an input. It may be 0. */
export function freeAxis(input: string, axis: number): Atom {
  return { ...sizeAtom(input, axis, 0), isFree: true };
}

/** The number in an int64 graph value of rank 0. */
export function valueAtom(value: string, depth: number): Atom {
  return { key: `value(${value})`, definition: { kind: 'value', value }, min: -Infinity, depth };
}

const termsOf = (dim: Dim): readonly Term[] =>
  typeof dim === 'number' ? (dim === 0 ? [] : [{ factor: dim, atoms: [] }]) : dim.terms;

function fromTerms(terms: readonly Term[]): Dim {
  const merged = new Map<string, Term>();
  for (const term of terms) {
    const key = atomsKey(term);
    const present = merged.get(key);
    merged.set(key, present === undefined ? term : { factor: present.factor + term.factor, atoms: term.atoms });
  }
  const left = [...merged].filter(([, term]) => term.factor !== 0).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  if (left.length === 0) return 0;
  const [first] = left;
  if (left.length === 1 && first !== undefined && first[1].atoms.length === 0) return first[1].factor;
  return new SymInt(left.map(([, term]) => term));
}

/** Whether two sizes are known to be equal. */
export function sameDim(a: Dim, b: Dim): boolean {
  return typeof a === 'number' || typeof b === 'number' ? a === b : a.key === b.key;
}

/** `a + b`. */
export function addDims(a: Dim, b: Dim): Dim {
  return typeof a === 'number' && typeof b === 'number' ? a + b : fromTerms([...termsOf(a), ...termsOf(b)]);
}

/** `a - b`. */
export function subDims(a: Dim, b: Dim): Dim {
  // The last k elements of an axis: n - max(n - k, 0) is min(k, n).
  const [atom] = typeof b === 'number' || b.terms.length !== 1 ? [] : (b.terms[0]?.atoms ?? []);
  if (atom?.definition.kind === 'max' && sameDim(symbol(atom), b)) {
    const [x, y] = [subDims(a, atom.definition.a), subDims(a, atom.definition.b)];
    if (typeof x === 'number' || typeof y === 'number') return minDims(x, y);
  }
  return addDims(a, mulDims(b, -1));
}

/** `a * b`. */
export function mulDims(a: Dim, b: Dim): Dim {
  // Adding 0 turns -0 into 0. No size is -0.
  if (typeof a === 'number' && typeof b === 'number') return a * b + 0;
  if (termsOf(a).length * termsOf(b).length > MAX_TERMS) return opaqueProduct(a, b);
  const terms: Term[] = [];
  for (const x of termsOf(a)) {
    for (const y of termsOf(b)) {
      const atoms = [...x.atoms, ...y.atoms].sort((p, q) => (p.key < q.key ? -1 : p.key > q.key ? 1 : 0));
      terms.push({ factor: x.factor * y.factor, atoms });
    }
  }
  return fromTerms(terms);
}

/** Polynomials longer than this stay unexpanded. */
const MAX_TERMS = 16;

function opaqueProduct(a: Dim, b: Dim): Dim {
  const [x, y] = ordered(a, b);
  const [p, q] = [minimumOf(x), minimumOf(y)];
  return operation('mul', x, y, p >= 0 && q >= 0 ? p * q : -Infinity);
}

/** The product of all sizes; 1 if there are none. */
export function productOf(dims: readonly Dim[]): Dim {
  return dims.reduce<Dim>((product, dim) => mulDims(product, dim), 1);
}

/** `a / b` if it is a polynomial with whole coefficients, otherwise undefined. */
export function exactQuotient(a: Dim, b: Dim): Dim | undefined {
  if (sameDim(a, b)) return b === 0 ? undefined : 1;
  const divisor = termsOf(b);
  const [by] = divisor;
  if (by === undefined) return undefined;
  if (divisor.length > 1) return quotientByPolynomial(a, b);
  const terms: Term[] = [];
  for (const term of termsOf(a)) {
    const rest = [...term.atoms];
    for (const atom of by.atoms) {
      const at = rest.findIndex((candidate) => candidate.key === atom.key);
      if (at < 0) return undefined;
      rest.splice(at, 1);
    }
    if (term.factor % by.factor !== 0) return undefined;
    terms.push({ factor: term.factor / by.factor, atoms: rest });
  }
  return fromTerms(terms);
}

/** Long division, for quotients such as `(n + 1) * 4 * m / (n + 1)`. Each step removes the leading term. */
function quotientByPolynomial(a: Dim, b: Dim): Dim | undefined {
  const leading = termsOf(b).reduce((best, term) => (term.atoms.length > best.atoms.length ? term : best));
  let rest = a;
  let quotient: Dim = 0;
  for (let step = 0; step < 64 && rest !== 0; step++) {
    const candidates = [...termsOf(rest)].sort((x, y) => y.atoms.length - x.atoms.length);
    const [top] = candidates;
    if (top === undefined) return undefined;
    const part = exactQuotient(fromTerms([top]), fromTerms([leading]));
    if (part === undefined) return undefined;
    quotient = addDims(quotient, part);
    rest = subDims(rest, mulDims(part, b));
  }
  return rest === 0 ? quotient : undefined;
}

function operation(kind: Operation, a: Dim, b: Dim, min: number): Dim {
  return symbol({
    key: shorten(`${kind}(${String(a)},${String(b)})`),
    definition: { kind, a, b },
    min,
    depth: Math.max(depthOf(a), depthOf(b)),
  });
}

/** Longer keys are replaced by a digest. Otherwise the keys of nested expressions would grow without bound. */
const MAX_KEY_LENGTH = 160;

function shorten(key: string): string {
  if (key.length <= MAX_KEY_LENGTH) return key;
  const [a, b] = [digest(key, 0x9e3779b9), digest(key, 0x85ebca6b)];
  return `${key.slice(0, 24)}…#${a.toString(36)}${b.toString(36)}`;
}

/** 53 bits that depend on every character. */
function digest(text: string, seed: number): number {
  let [high, low] = [0xdeadbeef ^ seed, 0x41c6ce57 ^ seed];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
}

/** Python's `a // b`. */
export function floorDivDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.floor(a / b) + 0;
  const exact = exactQuotient(a, b);
  if (exact !== undefined) return exact;
  if (typeof b === 'number' && b > 0 && typeof a !== 'number') {
    // Terms that the divisor divides move out of the division: (4n + 7) // 4 = n + 7 // 4.
    const whole = a.terms.filter((term) => term.factor % b === 0);
    const rest = a.terms.filter((term) => term.factor % b !== 0);
    if (whole.length > 0) {
      const outside = fromTerms(whole.map((term) => ({ factor: term.factor / b, atoms: term.atoms })));
      return addDims(outside, floorDivDims(fromTerms(rest), b));
    }
  }
  const min =
    minimumOf(a) >= 0 && minimumOf(b) > 0
      ? Math.floor(minimumOf(a) / (typeof b === 'number' ? b : Infinity))
      : -Infinity;
  return operation('floordiv', a, b, min);
}

/** Python's `a % b`. */
export function modDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a - Math.floor(a / b) * b + 0;
  if (exactQuotient(a, b) !== undefined) return 0;
  return operation('mod', a, b, minimumOf(b) > 0 ? 0 : -Infinity);
}

/** The smaller of two sizes. */
export function minDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.min(a, b);
  const order = compareDims(a, b);
  if (order !== undefined) return order <= 0 ? a : b;
  const [x, y] = ordered(a, b);
  return operation('min', x, y, Math.min(minimumOf(a), minimumOf(b)));
}

/** The larger of two sizes. */
export function maxDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.max(a, b);
  const order = compareDims(a, b);
  if (order !== undefined) return order >= 0 ? a : b;
  const [x, y] = ordered(a, b);
  return operation('max', x, y, Math.max(minimumOf(a), minimumOf(b)));
}

/** The size to which two sizes broadcast. The caller refuses sizes that do not agree. */
export function broadcastDims(a: Dim, b: Dim): Dim {
  if (sameDim(a, b) || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number') return a;
  if (typeof b === 'number') return b;
  // min(n, 512) broadcasts with n only if it equals n. In all other cases PyTorch fails too.
  if (isMinimumOf(b, a)) return a;
  if (isMinimumOf(a, b)) return b;
  if (isBroadcastOf(a, b)) return a;
  if (isBroadcastOf(b, a)) return b;
  const [x, y] = ordered(a, b);
  return operation('broadcast', x, y, Math.max(minimumOf(a), minimumOf(b)));
}

function onlyAtom(dim: Dim): Atom | undefined {
  if (typeof dim === 'number' || dim.terms.length !== 1) return undefined;
  const [term] = dim.terms;
  return term?.factor === 1 && term.atoms.length === 1 ? term.atoms[0] : undefined;
}

function isMinimumOf(dim: Dim, other: Dim): boolean {
  const definition = onlyAtom(dim)?.definition;
  return definition?.kind === 'min' && (sameDim(definition.a, other) || sameDim(definition.b, other));
}

function isBroadcastOf(dim: Dim, other: Dim): boolean {
  const definition = onlyAtom(dim)?.definition;
  if (definition?.kind !== 'broadcast') return false;
  return [definition.a, definition.b].some((part) => sameDim(part, other) || isBroadcastOf(part, other));
}

function ordered(a: Dim, b: Dim): [Dim, Dim] {
  return String(a) <= String(b) ? [a, b] : [b, a];
}

/** A lower bound of the value; -Infinity if none is known. */
export function minimumOf(dim: Dim): number {
  if (typeof dim === 'number') return dim;
  let total = 0;
  for (const term of dim.terms) {
    if (term.atoms.some((atom) => atom.min < 0)) return -Infinity;
    if (term.factor < 0 && term.atoms.length > 0) return -Infinity;
    total += term.factor * term.atoms.reduce((product, atom) => product * atom.min, 1);
  }
  return total;
}

/** Negative if `a` is at most `b`, 0 if they are equal, positive if `a` is at least `b`; undefined if this depends on the input. */
export function compareDims(a: Dim, b: Dim): number | undefined {
  if (sameDim(a, b)) return 0;
  const difference = subDims(a, b);
  if (typeof difference === 'number') return difference;
  if (minimumOf(difference) >= 0) return 1;
  return minimumOf(mulDims(difference, -1)) >= 0 ? -1 : undefined;
}

/** Whether `a < b`; undefined if this depends on the input. */
export function isLess(a: Dim, b: Dim): boolean | undefined {
  if (minimumOf(subDims(b, a)) > 0) return true;
  return minimumOf(subDims(a, b)) >= 0 ? false : undefined;
}

/** Whether `a == b`; undefined if this depends on the input. */
export function isEqual(a: Dim, b: Dim): boolean | undefined {
  if (sameDim(a, b)) return true;
  return isLess(a, b) === true || isLess(b, a) === true ? false : undefined;
}

/** The expression for inputs whose free axes have at least one element each. */
export function withElements(dim: Dim): Dim {
  return substitute(dim, (atom) => (atom.isFree === true && atom.min < 1 ? symbol({ ...atom, min: 1 }) : undefined));
}

/** Depth of the innermost graph that an expression's atoms come from. */
export function depthOf(dim: Dim): number {
  if (typeof dim === 'number') return 0;
  return dim.terms.reduce(
    (depth, term) => term.atoms.reduce((deepest, atom) => Math.max(deepest, atom.depth), depth),
    0,
  );
}

/** The expression with its atoms replaced. If `replace` returns undefined, the atom stays. Used when a guard fixes a size. */
export function substitute(
  dim: Dim,
  replace: (atom: Atom) => Dim | undefined,
  seen = new Map<string, Dim | undefined>(),
): Dim {
  if (typeof dim === 'number') return dim;
  if (dim.terms.every((term) => term.atoms.every((atom) => replaced(atom, replace, seen) === undefined))) return dim;
  return dim.terms.reduce<Dim>((sum, term) => {
    const product = term.atoms.reduce<Dim>(
      (value, atom) => mulDims(value, replaced(atom, replace, seen) ?? symbol(atom)),
      term.factor,
    );
    return addDims(sum, product);
  }, 0);
}

/** The replacement of an atom; undefined if it stays. */
function replaced(
  atom: Atom,
  replace: (atom: Atom) => Dim | undefined,
  seen: Map<string, Dim | undefined>,
): Dim | undefined {
  if (seen.has(atom.key)) return seen.get(atom.key);
  let result = replace(atom);
  const { definition } = atom;
  if (result === undefined && definition.kind !== 'size' && definition.kind !== 'value') {
    const a = substitute(definition.a, replace, seen);
    const b = substitute(definition.b, replace, seen);
    if (a !== definition.a || b !== definition.b) result = COMBINE[definition.kind](a, b);
  }
  seen.set(atom.key, result);
  return result;
}

const COMBINE: Readonly<Record<Operation, (a: Dim, b: Dim) => Dim>> = {
  floordiv: floorDivDims,
  mod: modDims,
  min: minDims,
  max: maxDims,
  broadcast: broadcastDims,
  mul: mulDims,
};
