import { afterEach, describe, expect, it, vi } from 'vitest';
import { KEY_BUDGET_FIELDS, hashSecret, parseKeyFile, type ApiKey } from '@sconce/keys';
import { keysCommand } from './keys.command.ts';

afterEach(() => vi.restoreAllMocks());

/** Runs `sconce keys create`. Returns the entry for the key file, and what went to stderr. */
async function create(...args: string[]): Promise<{ entry: ApiKey; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      written[stream] += String(text);
      return true;
    });
  }
  await keysCommand().parseAsync(['create', 'ci', '--scopes', 'infer', ...args], { from: 'user' });
  return { entry: JSON.parse(written.stdout) as ApiKey, stderr: written.stderr };
}

describe('sconce keys create', () => {
  it('prints an entry that the API accepts, and its secret', async () => {
    const { entry, stderr } = await create('--owner', 'team', '--requests-per-second', '5', '--burst', '7');
    expect(entry).toMatchObject({ id: 'ci', scopes: ['infer'], owner: 'team', requests_per_second: 5, burst: 7 });
    expect(entry.budget).toBeUndefined();
    expect(parseKeyFile(JSON.stringify({ keys: [entry] }))).toEqual([entry]);
    expect(hashSecret(/: (\S+)\n$/.exec(stderr)?.[1] ?? '')).toBe(entry.sha256);
  });

  it('sets each part of the budget', async () => {
    const parts = KEY_BUDGET_FIELDS.map((field, i) => [field, i + 1] as const);
    const { entry } = await create(
      ...parts.flatMap(([field, most]) => [`--max-${field.replaceAll('_', '-')}`, String(most)]),
    );
    expect(entry.budget).toEqual(Object.fromEntries(parts));
    expect(parseKeyFile(JSON.stringify({ keys: [entry] }))).toEqual([entry]);
    expect((await create('--max-elements', '9')).entry.budget).toEqual({ elements: 9 });
  });

  it.each([
    [['--max-output-bytes', '0'], /--max-output-bytes takes a whole number from 1 to \d+, not "0"/],
    [['--max-elements', '1.5'], /--max-elements takes a whole number/],
    [['--max-json-values', 'many'], /--max-json-values takes a whole number/],
    [['--requests-per-second', '0'], /^The key cannot be used: requests_per_second: /],
    [['--owner', 'a b'], /^The key cannot be used: owner: /],
    [['--expires', 'soon'], /--expires "soon" is not a time/],
  ])('refuses %j', async (args, message) => {
    await expect(create(...args)).rejects.toThrow(message);
  });
});
