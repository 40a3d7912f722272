import { expect, it } from 'vitest';
import { hashSecret, newSecret, parseKeyFile } from './key-file.ts';

const key = (id: string, more: object = {}): object => ({ id, sha256: hashSecret(id), scopes: ['infer'], ...more });

it('secrets are long and unique', () => {
  const [one, two] = [newSecret(), newSecret()];
  expect(one).toMatch(/^sconce-[A-Za-z0-9_-]{43}$/);
  expect(one).not.toBe(two);
});

it.each<[string, RegExp]>([
  ['{', /it is not JSON/],
  ['{"keys": [{"id": "a"}]}', /keys\.0\.sha256/],
  [JSON.stringify({ keys: [key('a', { scopes: ['root'] })] }), /keys\.0\.scopes\.0/],
  [JSON.stringify({ keys: [key('a', { scopes: [] })] }), /keys\.0\.scopes/],
  [JSON.stringify({ keys: [key('a', { secret: 'x' })] }), /secret/],
  [JSON.stringify({ keys: [key('a', { budget: { elements: 0 } })] }), /keys\.0\.budget\.elements/],
  [JSON.stringify({ keys: [key('a', { budget: { bytes: 1 } })] }), /keys\.0\.budget/],
  [JSON.stringify({ keys: [key('a', { budget: { run_ms: 1 } })] }), /keys\.0\.budget/],
  [JSON.stringify({ keys: [key('a', { owner: 'team a' })] }), /keys\.0\.owner/],
  [JSON.stringify({ keys: [key('a'), key('a')] }), /two keys have the id a/],
  [JSON.stringify({ keys: [key('a'), { ...key('b'), sha256: hashSecret('a') }] }), /two keys have the sha256/],
])('refuses %s', (text, message) => {
  expect(() => parseKeyFile(text)).toThrow(message);
});

it('accepts a valid file', () => {
  expect(
    parseKeyFile(JSON.stringify({ keys: [key('a', { requests_per_second: 0.5, budget: { output_bytes: 5 } })] })),
  ).toMatchObject([{ id: 'a', requests_per_second: 0.5, budget: { output_bytes: 5 } }]);
});

it('several keys may have one owner', () => {
  const text = JSON.stringify({ keys: [key('a', { owner: 'team' }), key('b', { owner: 'team' }), key('c')] });
  expect(parseKeyFile(text).map(({ owner }) => owner)).toEqual(['team', 'team', undefined]);
});
