import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { SETTINGS } from '@sconce/process';
import { queueConfigSchema } from '@sconce/queue';
import { runtimeConfigSchema } from '@sconce/runtime';
import { PAGE, configurationPage } from './configuration.ts';

it('docs/configuration.md is what the settings say (npm run docs)', async () => {
  expect(await readFile(PAGE, 'utf8')).toBe(await configurationPage());
});

it.each<[keyof typeof SETTINGS, number]>([
  ['SCONCE_MAX_BACKLOG', queueConfigSchema.parse({}).maxBacklog],
  ['SCONCE_MAX_BATCHES', queueConfigSchema.parse({}).maxBatches],
  ['SCONCE_MAX_OUTSTANDING', queueConfigSchema.parse({}).maxOutstanding],
  ['SCONCE_JOB_TTL_SECONDS', queueConfigSchema.parse({}).jobTtlSeconds],
  ['SCONCE_RESULT_TTL_SECONDS', queueConfigSchema.parse({}).resultTtlSeconds],
  ['SCONCE_BATCH_TTL_SECONDS', queueConfigSchema.parse({}).batchTtlSeconds],
  ['SCONCE_MAX_RUN_MS', runtimeConfigSchema.parse({}).maxRunMs],
  ['SCONCE_MAX_BATCH_ROWS', runtimeConfigSchema.parse({}).maxBatchRows],
  ['SCONCE_MAX_MODELS_PER_THREAD', runtimeConfigSchema.parse({}).maxModelsPerThread],
])('%s has the default that it is said to have', (name, value) => {
  const { fallback = '' } = SETTINGS[name] as { fallback?: string };
  expect(Number(fallback.split(' ')[0])).toBe(value);
});
