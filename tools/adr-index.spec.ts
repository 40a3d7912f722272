import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { PAGE, decisions, indexPage, readDecision } from './adr-index.ts';

it('docs/adr/README.md lists every decision with its status (npm run docs)', async () => {
  expect(await readFile(PAGE, 'utf8')).toBe(await indexPage());
});

it('no two decisions have one number', async () => {
  const numbers = (await decisions()).map(({ number }) => number);
  expect(numbers).toEqual([...new Set(numbers)]);
});

it.each<[string, string, string, RegExp]>([
  ['another number in its name', '0002-a.md', '# 1. A\n\nAccepted, 2026-11.\n', /begins with "# 1\. A"/],
  ['another name', 'a.md', '# 1. A\n\nAccepted, 2026-11.\n', /begins with/],
  ['no title', '0001-a.md', '# A\n\nAccepted, 2026-11.\n', /Expected "# N\. Title"/],
  ['no status', '0001-a.md', '# 1. A\n\n## Context\n', /status "## Context" in line 3/],
])('refuses a page with %s', (_name, file, text, message) => {
  expect(() => readDecision(file, text)).toThrow(message);
});

it('reads a page that a later one supersedes', () => {
  expect(readDecision('0001-a.md', '# 1. A\n\nSuperseded by ADR 2, 2026-12.\n')).toEqual({
    file: '0001-a.md',
    number: 1,
    title: 'A',
    status: 'Superseded by ADR 2, 2026-12.',
  });
});
