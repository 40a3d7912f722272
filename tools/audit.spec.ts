import { expect, it } from 'vitest';
import { readAuditReport } from './audit.ts';

const report = (severity: string): string =>
  JSON.stringify({
    vulnerabilities: {
      a: { name: 'a', range: '<2', via: [{ severity, title: 'Overflow', url: 'https://example.com/1' }] },
      b: { name: 'b', range: '*', via: ['a'] },
    },
  });

it.each<[string, string, 0 | 1, RegExp]>([
  ['nothing found', '{"vulnerabilities": {}}', 0, /^No high/],
  ['a moderate vulnerability', report('moderate'), 0, /^No high/],
  ['a critical vulnerability', report('critical'), 1, /^critical: a <2: Overflow/],
  ['a registry that cannot answer', '{"message": "405 Method Not Allowed"}', 0, /NOT looked up.*405/],
  ['no answer', 'npm error network', 0, /NOT looked up.*network/],
])('%s', (_name, text, exitCode, words) => {
  const result = readAuditReport(text);
  expect([result.exitCode, result.lines[0]]).toEqual([exitCode, expect.stringMatching(words)]);
});

it('passes when the advisory is accepted', () => {
  expect(readAuditReport(report('high'), { 'https://example.com/1': 'not reached' }).exitCode).toBe(0);
});
