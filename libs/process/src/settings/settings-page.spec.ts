import { describe, expect, it } from 'vitest';
import { readSettings } from './read-settings.ts';
import { flag, integer, list, text, type Setting } from './setting.ts';
import { printedDefault } from './settings-page.ts';
import { SETTINGS } from './settings.ts';

const WORKER = { about: '', programs: ['worker'] } as const;

describe('printedDefault', () => {
  it.each<[Setting, string]>([
    [integer({ ...WORKER, default: 8_000 }), '8000'],
    [integer({ ...WORKER, default: 64 * 1024 ** 2, unit: 'bytes' }), '67108864 (64 MiB)'],
    [integer({ ...WORKER, default: 25_000, unit: 'ms' }), '25000 (25 s)'],
    [integer({ ...WORKER, default: 86_400, unit: 'seconds' }), '86400 (1 day)'],
    [integer({ ...WORKER, default: 1_500, unit: 'ms' }), '1500'],
    [integer({ ...WORKER, whenUnset: '4 for each thread' }), '4 for each thread'],
    [flag({ ...WORKER, default: false }), 'false'],
    [text({ ...WORKER, default: '' }), 'empty'],
    [text(WORKER), 'not set'],
    [list({ ...WORKER, expected: 'words' }), 'none'],
  ])('of %j is %s', (setting, printed) => {
    expect(printedDefault(setting)).toBe(printed);
  });
});

it.each(['api', 'worker', 'cli'] as const)('%s reads each printed default from an empty environment', (program) => {
  for (const [name, value] of Object.entries(readSettings(program, {}))) {
    const setting: Setting = SETTINGS[name as keyof typeof SETTINGS];
    expect(value, name).toEqual(setting.default);
    // A default has to be a value that may also be set.
    if (typeof value !== 'object' && value !== undefined && value !== '') {
      expect(setting.schema.parse(String(value)), name).toBe(value);
    }
  }
});
