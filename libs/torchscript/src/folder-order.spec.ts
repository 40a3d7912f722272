import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

/** The stages of a compilation. A folder imports only from its own group and the groups before it. */
const ORDER = [
  ['schema', 'archive', 'pickle'],
  ['frontend'],
  ['symbolic'],
  ['lowering'],
  ['executor', 'signature', 'weights'],
] as const;

it('the folders of the compiler import only folders before them', async () => {
  const groups = new Map(
    ORDER.flatMap((folders, group) => folders.map((folder) => [folder as string, group] as const)),
  );
  const upward: string[] = [];
  for (const [folder, group] of groups) {
    const root = new URL(`./${folder}/`, import.meta.url);
    for (const path of await readdir(root, { recursive: true })) {
      if (!path.endsWith('.ts') || path.endsWith('.spec.ts')) continue;
      const file = new URL(path, root);
      for (const [, specifier = ''] of (await readFile(file, 'utf8')).matchAll(/ from '(\.[^']+)'/g)) {
        const target = new URL(specifier, file).href.slice(new URL('.', import.meta.url).href.length);
        const to = target.includes('/') ? groups.get(target.split('/')[0] ?? '') : undefined;
        const isBelow = to !== undefined ? to <= group : ['scalar-type.ts', 'torchscript-error.ts'].includes(target);
        if (!isBelow) upward.push(`${folder}/${path} imports ${target}`);
      }
    }
  }
  expect(upward).toEqual([]);
});
