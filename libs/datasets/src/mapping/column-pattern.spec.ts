import { describe, expect, it } from 'vitest';
import { columnPattern } from './column-pattern.ts';
import { numbersOf } from '../../fixtures/output-blocks.ts';

describe('columnPattern', () => {
  it.each<[string, string[], string[]]>([
    ['p*', ['p', 'p1', 'p1p'], ['', 'xp', 'P1']],
    ['*', ['', 'anything'], []],
    ['**', ['', 'anything'], []],
    ['*b', ['b', 'ab', 'bb'], ['ba', '']],
    ['a*a', ['aa', 'aba'], ['a', 'ab']],
    ['a*b*c', ['abc', 'axbxc', 'abbc', 'abcbc'], ['acb', 'ac', 'abcx']],
    ['*ab*ab*', ['abab', 'xabxabx'], ['ab', 'aab', 'aba']],
    ['*aab*', ['aaab', 'aaaab'], ['aaa', 'aba']],
    ['a.(*)+', ['a.()+', 'a.(x)+'], ['axx)+', 'a.(x)']],
    ['a*\n*b', ['a\nb', 'ax\nxb'], ['ab', 'axb']],
  ])('%j', (pattern, matching, others) => {
    const matches = columnPattern(pattern);
    expect(matching.filter((name) => !matches(name))).toEqual([]);
    expect(others.filter(matches)).toEqual([]);
  });

  it('agrees with a regular expression on small patterns and names', () => {
    const random = numbersOf(17);
    const draw = (letters: string, most: number): string =>
      Array.from({ length: Math.floor(random() * most) }, () => letters[Math.floor(random() * letters.length)]).join(
        '',
      );
    for (let round = 0; round < 2_000; round++) {
      const pattern = draw('ab*', 7);
      const name = draw('ab', 9);
      const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name);
      expect(columnPattern(pattern)(name), `${pattern} on ${name}`).toBe(expected);
    }
  });

  // A regular expression does not end on the first of these, and a search that begins anew at each place takes hours on the second.
  it.each([
    ['many stars', `${'a*'.repeat(255)}b`, 'a'.repeat(2_000)],
    ['a long periodic piece', `*${'a'.repeat(500)}b*`, 'a'.repeat(4_000_000)],
  ])('takes linear time for %s', (_what, pattern, name) => {
    const startMs = process.cpuUsage().user;
    expect(columnPattern(pattern)(name)).toBe(false);
    expect((process.cpuUsage().user - startMs) / 1_000).toBeLessThan(1_000);
  });
});
