import { expect, it } from 'vitest';
import { readLock, refusedLicences } from './licences.ts';

it('every package has a licence that is allowed', async () => {
  const lock = await readLock();
  expect(Object.keys(lock.packages).length).toBeGreaterThan(300);
  expect(refusedLicences(lock)).toEqual([]);
});

it.each<[string, object, boolean]>([
  ['permissive', { license: 'MIT' }, true],
  ['a choice with one that is permissive', { license: '(GPL-2.0-only OR MIT)' }, true],
  ['two at once, and one is not permissive', { license: '(MIT AND GPL-3.0-only)' }, false],
  ['copyleft', { license: 'AGPL-3.0-only' }, false],
  ['copyleft by file, in a package that users get', { license: 'MPL-2.0' }, false],
  ['copyleft by file, in a tool', { license: 'MPL-2.0', dev: true }, true],
  ['none', {}, false],
  ['not SPDX', { license: 'SEE LICENSE IN LICENSE.md' }, false],
])('a licence that is %s', (_name, own, isAllowed) => {
  const refused = refusedLicences({ packages: { 'node_modules/a/node_modules/@b/c': { version: '1.0.0', ...own } } });
  expect(refused.map(({ name }) => name)).toEqual(isAllowed ? [] : ['@b/c']);
});
