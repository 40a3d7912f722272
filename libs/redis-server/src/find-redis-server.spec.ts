import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRedisServer, redisServerMissing } from './index.ts';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'sconce-find-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

async function install(program: string, body: string, mode = 0o755): Promise<string> {
  const path = join(folder, program);
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, mode);
  return path;
}

describe('findRedisServer', () => {
  it.each([
    ['redis-server', 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0', 'redis', '7.0.15'],
    ['valkey-server', 'Valkey server v=8.1.1 sha=00000000:0', 'valkey', '8.1.1'],
    ['redis-server', 'Valkey server v=8.0.0 sha=0', 'valkey', '8.0.0'],
    ['redis-server', 'Redis server v=6.2.0 sha=0', 'redis', '6.2.0'],
    ['redis-server', 'Redis server v=10.0.0 sha=0', 'redis', '10.0.0'],
  ])('finds %s that prints "%s"', async (program, version, flavour, number) => {
    const path = await install(program, `echo '${version}'`);
    expect(await findRedisServer({ path: folder, folders: [] })).toEqual({ path, version: number, flavour });
  });

  it.each([
    ['too old', `echo 'Redis server v=6.0.16 sha=0'`, 0o755],
    ['something else', 'echo 7.0.15', 0o755],
    ['broken', 'exit 127', 0o755],
    ['not executable', `echo 'Redis server v=7.0.15'`, 0o644],
  ])('skips a program that is %s and finds the next one', async (_name, body, mode) => {
    await install('redis-server', body, mode);
    expect(await findRedisServer({ path: folder, folders: [] })).toBeUndefined();
    await install('valkey-server', `echo 'Valkey server v=8.0.0'`);
    expect(await findRedisServer({ folders: [folder] })).toMatchObject({ flavour: 'valkey' });
  });
});

it('names the install command of each system', () => {
  const error = redisServerMissing();
  expect(error.code).toBe('redis_unavailable');
  for (const command of ['apt-get install', 'dnf install', 'apk add', 'brew install']) {
    expect(error.message).toContain(command);
  }
});
