import { describe, expect, it } from 'vitest';
import { NumberedTable } from './numbered-table.ts';

interface Item {
  readonly number: number;
}

/** Numbers from 0 up to a bound, the same in every run. */
function randomNumbers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % bound;
  };
}

describe('NumberedTable', () => {
  it('has what a Map has, whatever comes and goes', () => {
    const random = randomNumbers(7);
    const table = new NumberedTable<Item>();
    const map = new Map<number, Item>();
    let next = 0;
    for (let step = 0; step < 50_000; step++) {
      // The number of items grows to some hundreds and shrinks again, several times.
      if (random(100) < (Math.floor(step / 2_000) % 2 === 0 ? 60 : 40)) {
        next += random(5) === 0 ? random(1_000) : 1;
        const item = { number: ++next };
        table.add(item);
        map.set(item.number, item);
      } else {
        const numbers = [...map.keys()];
        // Some old items stay while many others come and go.
        const number = numbers[random(3) === 0 ? random(numbers.length || 1) : numbers.length - 1] ?? next + 1;
        expect(table.delete(number)).toBe(map.delete(number));
      }
      if (step % 100 > 0) continue;
      expect(table.size).toBe(map.size);
      expect(table.filter(() => true).map(({ number }) => number)).toHaveLength(map.size);
      for (const [number, item] of map) expect(table.get(number)).toBe(item);
      expect(table.get(next + 1)).toBeUndefined();
    }
  });

  it('finds items whose numbers collide, in any order of deletion', () => {
    const numbers = [1, 257, 513, 2, 258, 3, 255, 511, 0];
    for (let first = 0; first < numbers.length; first++) {
      const table = new NumberedTable<Item>();
      for (const number of numbers) table.add({ number });
      const left = [...numbers.slice(first), ...numbers.slice(0, first)];
      for (let gone = left.shift(); gone !== undefined; gone = left.shift()) {
        expect(table.delete(gone)).toBe(true);
        expect(table.delete(gone)).toBe(false);
        expect(left.map((number) => table.get(number)?.number)).toEqual(left);
      }
      expect(table.size).toBe(0);
    }
  });

  it('has no item for a number that no item can have', () => {
    const table = new NumberedTable<Item>();
    table.add({ number: 2 ** 40 + 1 });
    expect(table.get(2 ** 40 + 1)?.number).toBe(2 ** 40 + 1);
    for (const number of [NaN, -1, 0.5, Infinity, 1]) expect(table.get(number)).toBeUndefined();
  });

  it('selects items', () => {
    const table = new NumberedTable<Item>();
    for (let number = 1; number <= 1_000; number++) table.add({ number });
    expect(table.filter(({ number }) => number % 500 === 0).map(({ number }) => number)).toEqual([500, 1_000]);
  });
});
