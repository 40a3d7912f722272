import { mkdirSync, readFileSync, realpathSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { UsageError } from '../output/failure.ts';
import { checkOutput, outputPath, writeFiles } from './output-file.ts';

const folder = realpathSync(temporaryFolder('output'));
const path = (name: string): string => join(folder, name);
writeFileSync(path('model.pt'), 'model');
writeFileSync(path('old'), 'old');
symlinkSync(path('old'), path('link'));
symlinkSync(path('model.pt'), path('model-link'));
mkdirSync(path('folder'));

it('writes through links, and to files that do not exist yet', async () => {
  expect(await outputPath(path('link'), [])).toBe(path('old'));
  expect(await outputPath(path('new'), [path('model.pt')])).toBe(path('new'));
});

it.each(['folder', 'model.pt', 'model-link'])('refuses %s', async (name) => {
  await expect(outputPath(path(name), [path('model.pt')])).rejects.toThrow(UsageError);
});

it('checks before the work that a file can be written', async () => {
  await checkOutput(path('new'), []);
  await expect(checkOutput(path('missing/new'), [])).rejects.toMatchObject({
    code: 'storage_unavailable',
    message: expect.stringMatching(/missing\/new cannot be written: the folder does not exist/),
  });
  await expect(checkOutput(path('model.pt'), [path('model.pt')])).rejects.toThrow(UsageError);
});

it('refuses devices', async () => {
  await expect(outputPath('/dev/null', [])).rejects.toThrow(/not a file/);
});

it('writes all files or none', async () => {
  const good = { path: path('a'), content: (write: (bytes: Uint8Array) => Promise<void>) => write(Buffer.from('a')) };
  const bad = { path: path('b'), content: () => Promise.reject(new Error('no')) };
  await expect(writeFiles([good, bad])).rejects.toThrow('no');
  expect(readdirSync(folder).sort()).toEqual(['folder', 'link', 'model-link', 'model.pt', 'old']);
  await writeFiles([good, { ...good, path: path('b') }]);
  expect([readFileSync(path('a'), 'utf8'), readFileSync(path('b'), 'utf8')]).toEqual(['a', 'a']);
});
