import { expect, it } from 'vitest';
import { judge } from './audit.ts';

const report = (severity: string): string =>
  JSON.stringify({
    vulnerabilities: {
      a: { name: 'a', range: '<2', via: [{ severity, title: 'Overflow', url: 'https://example.com/1' }] },
      b: { name: 'b', range: '*', via: ['a'] },
    },
  });

it.each<[string, string, 0 | 1, RegExp]>([
  ['nothing found', '{"vulnerabilities": {}}', 0, /^No high/],
  ['something of little weight', report('moderate'), 0, /^No high/],
  ['something grave', report('critical'), 1, /^critical: a <2: Overflow/],
  ['a registry that does not know the question', '{"message": "405 Method Not Allowed"}', 0, /NOT looked up.*405/],
  ['no answer at all', 'npm error network', 0, /NOT looked up.*network/],
])('%s', (_name, text, exitCode, words) => {
  const judged = judge(text);
  expect([judged.exitCode, judged.lines[0]]).toEqual([exitCode, expect.stringMatching(words)]);
});

it('what does not concern us does not fail', () => {
  expect(judge(report('high'), { 'https://example.com/1': 'not reached' }).exitCode).toBe(0);
});
