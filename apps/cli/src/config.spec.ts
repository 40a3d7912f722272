import { expect, it } from 'vitest';
import { SETTINGS, type Setting, type Settings } from '@sconce/process';
import { readConfig } from './config.ts';

const config = readConfig({});

/** The value that each setting has when the environment is empty. The compiler asks for a line per setting. */
const EFFECTIVE: Record<keyof Settings<'cli'>, unknown> = {
  SCONCE_TRACE_URL: config.traceUrl,
  SCONCE_URL: config.url,
  SCONCE_API_KEY: config.apiKey,
};

it.each(Object.entries(EFFECTIVE))('%s has the default that the documentation prints', (name, value) => {
  expect(value).toEqual((SETTINGS as Readonly<Record<string, Setting>>)[name]?.default);
});
