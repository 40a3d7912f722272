import { once } from 'node:events';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { BoundedLog } from './bounded-log.ts';

async function write(log: BoundedLog, ...lines: string[]): Promise<void> {
  for (const line of lines) log.write(line);
  log.end();
  await once(log, 'close');
}

it('starts with an empty file and keeps the file of the run before', async () => {
  const path = join(temporaryFolder('log'), 'api.log');
  await write(new BoundedLog(path), 'one\n');
  await write(new BoundedLog(path), 'two\n');
  expect([readFileSync(path, 'utf8'), readFileSync(`${path}.1`, 'utf8')]).toEqual(['two\n', 'one\n']);
});

it('never takes more than twice its limit, and keeps the newest lines', async () => {
  const folder = temporaryFolder('log');
  const path = join(folder, 'api.log');
  await write(
    new BoundedLog(path, 100),
    ...Array.from({ length: 50 }, (_, line) => `line ${line} `.padEnd(29, '.') + '\n'),
  );
  expect(readdirSync(folder).sort()).toEqual(['api.log', 'api.log.1']);
  const [older, newer] = [readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')];
  expect([older.length, newer.length].every((bytes) => bytes <= 100)).toBe(true);
  expect(newer).toContain('line 49 ');
  expect(older).toContain('line 47 ');
});

it('continues when its folder was removed', async () => {
  const folder = temporaryFolder('log');
  const log = new BoundedLog(join(folder, 'api.log'), 10);
  rmSync(folder, { recursive: true });
  await write(log, 'a line\n', 'another line\n');
  expect(log.errored).toBe(null);
});
