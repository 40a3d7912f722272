import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { PAGE, configurationPage } from './configuration.ts';

it('docs/configuration.md is what the settings say (npm run docs)', async () => {
  expect(await readFile(PAGE, 'utf8')).toBe(await configurationPage());
});
