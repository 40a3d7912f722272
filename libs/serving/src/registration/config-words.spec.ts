import { SconceError } from '@sconce/errors';
import { describe, expect, it } from 'vitest';

import { inConfigWords, withConfigWords } from './config-words.ts';

describe('inConfigWords', () => {
  it.each([
    ['fix the sizes with --input name:dtype[sizes]', 'fix the sizes with "input" of the config'],
    [
      'fix it with --input name:dtype[sizes], or --arg name=value',
      'fix it with "input" of the config, or "arguments" of the config',
    ],
    [
      'the number of rounds with --arg or --input',
      'the number of rounds with "arguments" of the config or "input" of the config',
    ],
    ["--input 'x:float32[-1,3]' for a tensor", `"input" of the config ('x:float32[-1,3]') for a tensor`],
    ['each element with --input x.0:…', 'each element with "input" of the config (x.0:…)'],
    ['fix it with --arg n=…', 'fix it with "arguments" of the config (n=…)'],
    ['nothing to change', 'nothing to change'],
  ])('%s', (message, expected) => {
    expect(inConfigWords(message)).toBe(expected);
  });
});

it('the message, hints and nested texts of a refusal are in the words of the config', async () => {
  const refused = new SconceError('model_invalid', 'use --arg n=…', {
    details: { stage: 'lower', unsupported: [{ hint: 'use --input x:…', count: 2 }] },
  });
  await expect(withConfigWords(() => Promise.reject(refused))).rejects.toMatchObject({
    message: 'use "arguments" of the config (n=…)',
    details: { stage: 'lower', unsupported: [{ hint: 'use "input" of the config (x:…)', count: 2 }] },
  });
  const other = new SconceError('internal', '--arg');
  await expect(withConfigWords(() => Promise.reject(other))).rejects.toBe(other);
});
