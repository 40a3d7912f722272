import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { findCycles, readImports } from './import-cycles.ts';

async function cyclesOf(files: Readonly<Record<string, string>>): Promise<string[][]> {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-cycles-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return findCycles(await readImports(folder, ['*.ts']));
  } finally {
    await rm(folder, { recursive: true });
  }
}

it('no files in apps and libs import each other in a circle', async () => {
  const graph = await readImports(fileURLToPath(new URL('..', import.meta.url)), ['{apps,libs}/*/src/**/*.ts']);
  expect(graph.size).toBeGreaterThan(600);
  expect(findCycles(graph)).toEqual([]);
}, 60_000);

it('finds a circle through a third file and through an export', async () => {
  const cycles = await cyclesOf({
    'a.ts': "import { b } from './b.ts';\nexport const a = () => b;",
    'b.ts': "export { c as b } from './c.ts';",
    'c.ts': "import { a } from './a.ts';\nexport const c = () => a;",
    'd.ts': "import { a } from './a.ts';\nexport const d = a;",
  });
  expect(cycles).toEqual([['a.ts', 'b.ts', 'c.ts', 'a.ts']]);
});

it('ignores imports of types and dynamic imports', async () => {
  const cycles = await cyclesOf({
    'a.ts': "import { b } from './b.ts';\nexport const a = 1;\nexport type A = typeof b;",
    'b.ts': "import type { A } from './a.ts';\nexport const b = (value: A) => [value, import('./a.ts')];",
  });
  expect(cycles).toEqual([]);
});

it('counts an import of which every name is marked as a type, because the file is still loaded', async () => {
  const cycles = await cyclesOf({
    'a.ts': "import { b } from './b.ts';\nexport const a = b;\nexport type A = string;",
    'b.ts': "import { type A } from './a.ts';\nexport const b: A = '';",
  });
  expect(cycles).toEqual([['a.ts', 'b.ts', 'a.ts']]);
});
