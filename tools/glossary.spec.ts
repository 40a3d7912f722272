import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TERMS = [...readFileSync(`${ROOT}docs/glossary.md`, 'utf8').matchAll(/^\| ([^|]+?) +\| .+\|$/gm)]
  .map(([, term = '']) => term)
  .filter((term) => term !== 'term' && !/^-+$/.test(term));

it('docs/glossary.md defines each term once', () => {
  expect(TERMS.length).toBeGreaterThan(50);
  expect(TERMS).toEqual([...new Set(TERMS)]);
});

it('the code uses every term of the glossary', () => {
  const files = globSync(['apps/*/src/**/*.ts', 'libs/*/src/**/*.ts'], { cwd: ROOT });
  const code = files
    .filter((file) => !/\.(spec|generated)\.ts$/.test(file))
    .map((file) => readFileSync(`${ROOT}${file}`, 'utf8'))
    .join('\n');
  // "row group" is also `RowGroup`, `rowGroup` or `row_group`.
  const isUsed = (term: string): boolean => new RegExp(term.split(/[ -]/).join('[ _\\s*-]*'), 'i').test(code);
  expect(TERMS.filter((term) => !isUsed(term))).toEqual([]);
});
