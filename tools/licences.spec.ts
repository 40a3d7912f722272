import { expect, it } from 'vitest';
import { readLock, refusedLicences } from './licences.ts';

it('every package here has a licence that lets its users do as they like', async () => {
  const lock = await readLock();
  expect(Object.keys(lock.packages).length).toBeGreaterThan(300);
  expect(refusedLicences(lock)).toEqual([]);
});

it.each<[string, object, boolean]>([
  ['permissive', { license: 'MIT' }, true],
  ['a choice, one of which is', { license: '(GPL-2.0-only OR MIT)' }, true],
  ['both at once, one of which is not', { license: '(MIT AND GPL-3.0-only)' }, false],
  ['copyleft', { license: 'AGPL-3.0-only' }, false],
  ['copyleft by file, in what is handed on', { license: 'MPL-2.0' }, false],
  ['copyleft by file, in a tool', { license: 'MPL-2.0', dev: true }, true],
  ['none', {}, false],
  ['words', { license: 'SEE LICENSE IN LICENSE.md' }, false],
])('a licence that is %s', (_name, own, isAllowed) => {
  const refused = refusedLicences({ packages: { 'node_modules/a/node_modules/@b/c': { version: '1.0.0', ...own } } });
  expect(refused.map(({ name }) => name)).toEqual(isAllowed ? [] : ['@b/c']);
});
