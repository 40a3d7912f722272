import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { UsageError } from '../output/failure.ts';
import { inputFile, nonEmptyFile } from './input-file.ts';

const folder = realpathSync(temporaryFolder('input'));
const path = (name: string): string => join(folder, name);
writeFileSync(path('model.pt'), 'model');
writeFileSync(path('empty'), '');
symlinkSync(path('model.pt'), path('link'));
mkdirSync(path('folder'));

it('returns the real path and the size', () => {
  expect(inputFile(path('link'), 'a model')).toEqual({ path: path('model.pt'), size: 5 });
  expect(inputFile(path('empty'), 'a model')).toEqual({ path: path('empty'), size: 0 });
});

it.each([
  ['missing', /missing does not exist/],
  ['folder', /folder is not a file/],
  ['model.pt/x', /x cannot be read/],
])('refuses %s', (name, message) => {
  expect(() => inputFile(path(name), 'a model')).toThrow(UsageError);
  expect(() => inputFile(path(name), 'a model')).toThrow(message);
  expect(() => inputFile(path(name), 'a model')).toThrow(
    expect.objectContaining({ hint: 'Give the path of a model.' }),
  );
});

it('refuses an empty file if it must have content', () => {
  expect(() => nonEmptyFile(path('empty'), 'a model')).toThrow(/empty is empty/);
});
