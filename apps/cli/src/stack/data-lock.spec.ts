import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { lockData } from './data-lock.ts';

it('names its owner, and goes when it is released', () => {
  const folder = temporaryFolder('lock');
  const release = lockData(folder);
  expect(readdirSync(folder)).toEqual(['up.pid']);
  expect(readFileSync(join(folder, 'up.pid'), 'utf8')).toBe(`${process.pid}\n`);
  release();
  expect(readdirSync(folder)).toEqual([]);
});

it('refuses a folder that a living process has, and leaves its lock', () => {
  const folder = temporaryFolder('lock');
  writeFileSync(join(folder, 'up.pid'), `${process.ppid}\n`);
  expect(() => lockData(folder)).toThrow(new RegExp(`process ${process.ppid}.*${folder}`));
  expect(readFileSync(join(folder, 'up.pid'), 'utf8')).toBe(`${process.ppid}\n`);
  expect(readdirSync(folder)).toEqual(['up.pid']);
});

const { pid: deadPid } = spawnSync(process.execPath, ['--eval', '0']);

it.each([
  ['a dead process', `${deadPid}\n`],
  ['a former process of our number', `${process.pid}\n`],
  ['nobody', ''],
  ['nonsense', 'x'],
])('takes over the lock of %s', (_, text) => {
  const folder = temporaryFolder('lock');
  writeFileSync(join(folder, 'up.pid'), text);
  const release = lockData(folder);
  expect(readFileSync(join(folder, 'up.pid'), 'utf8')).toBe(`${process.pid}\n`);
  release();
});

it('releases nothing that another has taken over', () => {
  const folder = temporaryFolder('lock');
  const release = lockData(folder);
  writeFileSync(join(folder, 'up.pid'), `${process.ppid}\n`);
  release();
  expect(readdirSync(folder)).toEqual(['up.pid']);
});
