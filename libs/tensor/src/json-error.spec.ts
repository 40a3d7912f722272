import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { findJsonError } from './json-error.ts';

describe('findJsonError', () => {
  it.each([
    ['', 0],
    ['  ', 2],
    ['[1,NaN]', 3],
    ['[1, -Infinity]', 4],
    ['[1 2]', 3],
    ['[1,]', 3],
    ['{"a":1,}', 7],
    ['{"a" 1}', 5],
    ['{a:1}', 1],
    ['{"a":1', 6],
    ['{"a":1]', 6],
    ['[1]]', 3],
    ['"a\\x"', 2],
    ['"a\\u12g4"', 2],
    ['"a\nb"', 2],
    ['"abc', 4],
    ['[01]', 2],
    ['[1.]', 3],
    ['[1e+]', 4],
    ['[tru]', 1],
  ])('%j at %i', (text, position) => {
    expect(() => void JSON.parse(text)).toThrow();
    expect(findJsonError(text)).toBe(position);
  });

  it('finds none in what JSON.parse takes', () => {
    fc.assert(fc.property(fc.json(), (text) => findJsonError(text) === text.length));
  });

  it('finds one in what JSON.parse refuses, and does not overflow', () => {
    const mutated = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '[', '}', '-', '0', '\\', 'e', ':'));
    fc.assert(
      fc.property(mutated, ([json, at, insert]) => {
        const cut = at % (json.length + 1);
        const text = json.slice(0, cut) + insert + json.slice(cut + 1);
        try {
          JSON.parse(text);
        } catch {
          const position = findJsonError(text);
          // What is before the position is right: with it kept and all after it cut, the error is at the end or later.
          expect(findJsonError(text.slice(0, position))).toBe(position);
        }
      }),
    );
    expect(findJsonError('['.repeat(1_000_000))).toBe(1_000_000);
  });
});
