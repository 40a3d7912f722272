import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, it } from 'vitest';
import { productFile } from './product-file.ts';

it('finds a file from the top folder', () => {
  const path = productFile('examples/digits/digits.pt');
  expect(existsSync(path)).toBe(true);
  expect(basename(path)).toBe('digits.pt');
});

it('says which file is missing and what to do', () => {
  expect(() => productFile('apps/nobody/dist/main.js')).toThrow(
    expect.objectContaining({
      code: 'not_found',
      message: 'A file of the product does not exist: apps/nobody/dist/main.js.',
      details: expect.objectContaining({ hint: 'Run: npm run build' }) as object,
    }),
  );
});
