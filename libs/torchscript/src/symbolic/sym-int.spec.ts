import { describe, expect, it } from 'vitest';

import {
  addDims,
  broadcastDims,
  compareDims,
  exactQuotient,
  floorDivDims,
  isEqual,
  isLess,
  maxDims,
  minDims,
  minimumOf,
  modDims,
  mulDims,
  productOf,
  sameDim,
  freeAxis,
  subDims,
  substitute,
  symbol,
  SymInt,
  valueAtom,
  type Dim,
  withElements,
} from './sym-int.ts';

const n = symbol(freeAxis('x', 0));
const m = symbol(freeAxis('x', 1));
const free = symbol(valueAtom('steps', 0));

/** The value of an expression for these values of n, m and the free number. */
function evaluate(dim: Dim, values: Readonly<Record<string, number>>): number {
  if (typeof dim === 'number') return dim;
  return dim.terms.reduce((sum, { factor, atoms }) => {
    const product = atoms.reduce((value, { key, definition }) => {
      if (definition.kind === 'size' || definition.kind === 'value') return value * (values[key] ?? NaN);
      const [a, b] = [evaluate(definition.a, values), evaluate(definition.b, values)];
      const results = {
        floordiv: Math.floor(a / b),
        mod: a - Math.floor(a / b) * b,
        min: Math.min(a, b),
        max: Math.max(a, b),
        broadcast: a === 1 ? b : a,
        mul: a * b,
      };
      return value * results[definition.kind];
    }, factor);
    return sum + product;
  }, 0);
}

describe('SymInt', () => {
  it.each<[string, Dim, Dim]>([
    ['adds like terms', addDims(n, addDims(n, 3)), addDims(mulDims(n, 2), 3)],
    ['is equal for any order of operands', mulDims(addDims(n, m), 2), addDims(mulDims(m, 2), mulDims(2, n))],
    ['cancels equal terms', subDims(addDims(n, 5), n), 5],
    ['divides a product by one of its factors', floorDivDims(mulDims(n, 12), 4), mulDims(n, 3)],
    ['divides by a symbol', floorDivDims(productOf([n, m, 6]), n), mulDims(m, 6)],
    ['divides by a sum', floorDivDims(mulDims(addDims(n, 1), mulDims(m, 4)), addDims(n, 1)), mulDims(m, 4)],
    ['moves multiples of the divisor out of a division', floorDivDims(addDims(mulDims(n, 4), 7), 4), addDims(n, 1)],
    ['has no remainder if the divisor divides all terms', modDims(mulDims(n, 8), 4), 0],
    ['gives the smaller of two sizes', minDims(n, addDims(n, 2)), n],
    ['gives the larger of two sizes', maxDims(n, 0), n],
    ['broadcasts against 1', broadcastDims(n, 1), n],
    ['broadcasts against itself', broadcastDims(n, n), n],
    ['broadcasts against a number to that number', broadcastDims(n, 512), 512],
    ['broadcasts n against min(n, 512) to n', broadcastDims(n, minDims(n, 512)), n],
    ['broadcasts a broadcast against one of its operands', broadcastDims(broadcastDims(n, m), n), broadcastDims(m, n)],
  ])('%s', (_, actual, expected) => {
    expect(String(actual)).toBe(String(expected));
    expect(sameDim(actual, expected)).toBe(true);
  });

  it('gives undefined for a quotient that is not exact', () => {
    expect(exactQuotient(addDims(n, 1), 2)).toBeUndefined();
    expect(exactQuotient(n, m)).toBeUndefined();
    expect(exactQuotient(0, 0)).toBeUndefined();
  });

  it.each<[string, boolean | undefined, boolean | undefined]>([
    ['a free axis may be empty', isLess(0, n), undefined],
    ['no axis has less than 0 elements', isLess(n, 0), false],
    ['n + 1 is at least 1', isLess(0, addDims(n, 1)), true],
    ['is not less than itself', isLess(n, n), false],
    ['n < n + 1', isLess(n, addDims(n, 1)), true],
    ['n < m depends on the input', isLess(n, m), undefined],
    ['n == 0 depends on the input', isEqual(n, 0), undefined],
    ['n == 0 is false if axes have elements', isEqual(withElements(n), 0), false],
    ['min(n, 1) is 1 if axes have elements', isEqual(withElements(minDims(n, 1)), 1), true],
    ['n == 1 depends on the input', isEqual(n, 1), undefined],
    ['a number read from a tensor may be anything', isLess(free, 0), undefined],
  ])('%s', (_, actual, expected) => {
    expect(actual).toBe(expected);
  });

  it('replaces atoms that are known', () => {
    const expression = floorDivDims(addDims(mulDims(n, 3), m), 2);
    const replaced = substitute(expression, ({ key }) =>
      key === 'size(x,0)' ? 4 : key === 'size(x,1)' ? 5 : undefined,
    );
    expect(replaced).toBe(8);
  });

  it('gives lower bounds', () => {
    expect(minimumOf(addDims(mulDims(n, 2), 3))).toBe(3);
    expect(minimumOf(withElements(addDims(mulDims(n, 2), 3)))).toBe(5);
    expect(minimumOf(subDims(n, m))).toBe(-Infinity);
    expect(compareDims(addDims(n, 1), 1)).toBeGreaterThan(0);
  });

  it('has the same value after every simplification', () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * below);
    };
    const binary = {
      add: addDims,
      sub: subDims,
      mul: mulDims,
      div: floorDivDims,
      mod: modDims,
      min: minDims,
      max: maxDims,
    };
    const exact: Record<keyof typeof binary, (a: number, b: number) => number> = {
      add: (a, b) => a + b,
      sub: (a, b) => a - b,
      mul: (a, b) => a * b,
      div: (a, b) => Math.floor(a / b),
      mod: (a, b) => a - Math.floor(a / b) * b,
      min: Math.min,
      max: Math.max,
    };
    for (let round = 0; round < 2000; round++) {
      const values = { 'size(x,0)': 1 + random(9), 'size(x,1)': 1 + random(9), 'value(steps)': random(19) - 9 };
      let dim: Dim = [n, m, free, 3][random(4)] ?? 1;
      let number = evaluate(dim, values);
      for (let step = 0; step < 5; step++) {
        const op = (Object.keys(binary) as (keyof typeof binary)[])[random(7)] ?? 'add';
        const other: Dim = [n, m, free, random(7) - 3][random(4)] ?? 1;
        const by = evaluate(other, values);
        if ((op === 'div' || op === 'mod') && by === 0) continue;
        [dim, number] = [binary[op](dim, other), exact[op](number, by)];
      }
      expect([String(dim), evaluate(dim, values) + 0]).toEqual([String(dim), number + 0]);
    }
  });

  it('stays small after many products and divisions', () => {
    let dim: Dim = n;
    for (let i = 0; i < 200; i++) dim = floorDivDims(mulDims(addDims(dim, m), addDims(dim, i)), addDims(m, 3));
    expect(String(dim).length).toBeLessThan(20_000);
    expect(substitute(dim, ({ key }) => (key === 'size(x,0)' ? 2 : key === 'size(x,1)' ? 3 : undefined))).toBeTypeOf(
      'number',
    );
  });

  it('becomes a plain number when no atom is left', () => {
    expect(mulDims(n, 0)).toBe(0);
    expect(subDims(n, n)).toBe(0);
    expect(addDims(n, 1)).toBeInstanceOf(SymInt);
  });
});
