import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { renderSupportedOps, SUPPORTED_OPS_PAGE } from './supported-ops.ts';

it('docs/supported-ops.md agrees with the registry (npm run docs)', async () => {
  expect(await readFile(SUPPORTED_OPS_PAGE, 'utf8')).toBe(renderSupportedOps());
});
