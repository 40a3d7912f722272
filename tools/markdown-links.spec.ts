import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { anchorsIn, brokenLinks, linksIn, markdownFiles } from './markdown-links.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

it('every link of the Markdown files of this repository leads somewhere', async () => {
  expect((await markdownFiles(ROOT)).length).toBeGreaterThan(50);
  expect(await brokenLinks(ROOT)).toEqual([]);
});

it.each<[string, string, readonly string[]]>([
  ['a link', 'See [this](a.md) and [that](<b.md#c> "title").', ['a.md', 'b.md#c']],
  ['an image in a link', '[![x](a.png)](b.md)', ['b.md']],
  ['a link of two lines', 'See [this\nand that](a.md).', ['a.md']],
  ['a definition', '[name]: ../c.md', ['../c.md']],
  ['code', 'Write `[x](y)` or ``[`x`](y)``.', []],
  ['fenced code', '```md\n[x](y)\n```\n\n~~~\n[x](y)\n```\n[x](y)\n~~~\n[a](b)', ['b']],
])('links of %s', (_name, text, targets) => {
  expect(linksIn(text).map(({ target }) => target)).toEqual(targets);
});

it('has the anchors that GitHub makes of headings', () => {
  const text =
    '# What is it?\n\n## `sconce up` & more\n## Twice\n## Twice ##\n```\n# code\n```\n<a id="own"></a>\n### [A](b.md) link_1 – ok';
  expect([...anchorsIn(text)]).toEqual(['what-is-it', 'sconce-up--more', 'twice', 'twice-1', 'own', 'a-link_1--ok']);
});

it('names each link that leads nowhere, with its line and the reason', async () => {
  const folder = temporaryFolder('links');
  mkdirSync(join(folder, 'docs'));
  mkdirSync(join(folder, 'node_modules'));
  writeFileSync(join(folder, 'node_modules/x.md'), '[gone](gone.md)');
  writeFileSync(
    join(folder, 'docs/a.md'),
    '# A heading\n\n[own](#a-heading) [up](../README.md#sconce) [folder](../docs)',
  );
  writeFileSync(
    join(folder, 'README.md'),
    '# Sconce\n\n[a](docs/a.md) [b](docs/b.md)\n[c](docs/a.md#b)\n[d](https://example.com/x) [e](/docs/a.md) [f](../x)\n',
  );
  expect((await brokenLinks(folder)).map(({ file, line, target, reason }) => [file, line, target, reason])).toEqual([
    ['README.md', 3, 'docs/b.md', 'there is no docs/b.md'],
    ['README.md', 4, 'docs/a.md#b', 'docs/a.md has no heading "#b"'],
    ['README.md', 5, '/docs/a.md', expect.stringContaining('relative to this file')],
    ['README.md', 5, '../x', 'it leads out of the repository'],
  ]);
});
