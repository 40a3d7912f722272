import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { MODEL_CONFIG_SCHEMA, renderModelConfigSchema } from './model-config-schema.ts';

it('docs/model-config.schema.json agrees with the schema (npm run docs)', async () => {
  expect(await readFile(MODEL_CONFIG_SCHEMA, 'utf8')).toBe(renderModelConfigSchema());
});
