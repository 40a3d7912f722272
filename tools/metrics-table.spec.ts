import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { PAGE, telemetryPage } from './metrics-table.ts';

it('docs/telemetry.md agrees with the metrics (npm run docs)', async () => {
  expect(await readFile(PAGE, 'utf8')).toBe(await telemetryPage());
});
