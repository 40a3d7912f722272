import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { compileCacheFolder } from './compile-cache.ts';

it('keeps the compiled code of one build, and removes that of another', () => {
  const data = temporaryFolder('compile-cache');
  const program = join(data, 'main.js');
  writeFileSync(program, 'first');
  const first = compileCacheFolder(data, [program]);
  mkdirSync(first, { recursive: true });
  expect(compileCacheFolder(data, [program])).toBe(first);
  expect(existsSync(first)).toBe(true);

  writeFileSync(program, 'other');
  utimesSync(program, 1_000, 1_000);
  const second = compileCacheFolder(data, [program]);
  expect(second).not.toBe(first);
  expect(existsSync(first)).toBe(false);
});
