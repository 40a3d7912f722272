import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { writeImagePackages } from './image-packages.ts';

const APP = fileURLToPath(new URL('../apps/api/package.json', import.meta.url));

it('writes the packages that the bundle of the API does not contain, in the versions that the API needs', async () => {
  const folder = temporaryFolder('image-packages');
  const names = await writeImagePackages('api', folder);
  expect((await readdir(join(folder, 'node_modules'))).sort()).toEqual([...names].sort());
  const wanted = (JSON.parse(await readFile(APP, 'utf8')) as { dependencies: Record<string, string> }).dependencies;
  for (const name of names.filter((name) => wanted[name] !== undefined)) {
    const { version } = JSON.parse(await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect([name, version]).toEqual([name, wanted[name]]);
  }
  expect(names).toContain('swagger-ui-dist');
});
