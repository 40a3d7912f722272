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

  it('finds no error in text that JSON.parse accepts', () => {
    fc.assert(fc.property(fc.json(), (text) => findJsonError(text) === text.length));
  });

  it('finds an error in text that JSON.parse refuses, and does not overflow the stack', () => {
    const mutated = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '[', '}', '-', '0', '\\', 'e', ':'));
    fc.assert(
      fc.property(mutated, ([json, at, insert]) => {
        const cut = at % (json.length + 1);
        const text = json.slice(0, cut) + insert + json.slice(cut + 1);
        try {
          JSON.parse(text);
        } catch {
          const position = findJsonError(text);
          // The text before the position is valid so far, so in this text alone the error is at its end.
          expect(findJsonError(text.slice(0, position))).toBe(position);
        }
      }),
    );
    expect(findJsonError('['.repeat(1_000_000))).toBe(1_000_000);
  });
});
