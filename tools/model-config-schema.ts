/**
 * Writes docs/model-config.schema.json from the zod schema of `config.json`: `npm run docs`. The spec beside this file fails when the
 * committed file differs.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { modelConfigJsonSchema } from '@sconce/contracts';

/** The path of the schema. */
export const MODEL_CONFIG_SCHEMA = fileURLToPath(new URL('../docs/model-config.schema.json', import.meta.url));

/** The text of the file. */
export function renderModelConfigSchema(): string {
  return `${JSON.stringify(modelConfigJsonSchema(), null, 2)}\n`;
}

if (import.meta.main) await writeFile(MODEL_CONFIG_SCHEMA, renderModelConfigSchema());
