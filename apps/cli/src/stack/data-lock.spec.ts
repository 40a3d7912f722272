import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { lockData } from './data-lock.ts';

it('names its owner, and removes the lock when it is released', () => {
  const folder = temporaryFolder('lock');
  const release = lockData(folder);
  expect(readdirSync(folder)).toEqual(['up.pid']);
  expect(readFileSync(join(folder, 'up.pid'), 'utf8')).toBe(`${process.pid}\n`);
  release();
  expect(readdirSync(folder)).toEqual([]);
});

it('refuses a folder that a running process owns, and leaves its lock', () => {
  const folder = temporaryFolder('lock');
  writeFileSync(join(folder, 'up.pid'), `${process.ppid}\n`);
  expect(() => lockData(folder)).toThrow(new RegExp(`process ${process.ppid}.*${folder}`));
  expect(readFileSync(join(folder, 'up.pid'), 'utf8')).toBe(`${process.ppid}\n`);
  expect(readdirSync(folder)).toEqual(['up.pid']);
});

const { pid: deadPid } = spawnSync(process.execPath, ['--eval', '0']);

it.each([
  ['a dead process', `${deadPid}\n`],
  ['an earlier process with our id', `${process.pid}\n`],
  ['no process', ''],
  ['text that is no id', 'x'],
])('takes over a lock that names %s', (_, text) => {
  const folder = temporaryFolder('lock');
  writeFileSync(join(folder, 'up.pid'), text);
  const release = lockData(folder);
  expect(readFileSync(join(folder, 'up.pid'), 'utf8')).toBe(`${process.pid}\n`);
  release();
});

it('does not remove a lock that another process has taken over', () => {
  const folder = temporaryFolder('lock');
  const release = lockData(folder);
  writeFileSync(join(folder, 'up.pid'), `${process.ppid}\n`);
  release();
  expect(readdirSync(folder)).toEqual(['up.pid']);
});
