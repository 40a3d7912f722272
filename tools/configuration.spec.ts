import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { PAGE, configurationPage } from './configuration.ts';

it('docs/configuration.md agrees with the settings (npm run docs)', async () => {
  expect(await readFile(PAGE, 'utf8')).toBe(await configurationPage());
});
