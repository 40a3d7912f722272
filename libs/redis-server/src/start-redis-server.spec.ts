import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { startRedisServer, type RedisServer, type StartRedisServerOptions } from './index.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: StartRedisServerOptions = {}): Promise<RedisServer> {
  const server = await startRedisServer({ path: process.env['PATH'], ...options });
  cleanups.push(() => server.stop());
  return server;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-redis-spec-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Sends one inline command and returns the reply, CRLF shown as a space. */
async function ask(server: RedisServer, command: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`${command}\r\n`);
  const [reply] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return reply.toString().trimEnd().replaceAll('\r\n', ' ');
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function until(check: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 8_000; !check() && Date.now() < deadline;) await delay(20);
  expect(check()).toBe(true);
}

describe('startRedisServer', () => {
  it('runs on loopback with the settings that queues need, and removes its folder', async () => {
    const server = await start({ maxMemoryBytes: 64 * 1024 * 1024 });
    expect(server.url).toBe(`redis://127.0.0.1:${server.port}`);
    for (const [setting, value] of [
      ['bind', '127.0.0.1'],
      ['maxmemory-policy', 'noeviction'],
      ['maxmemory', String(64 * 1024 * 1024)],
      ['save', ''],
      ['appendonly', 'no'],
    ] as const) {
      expect(await ask(server, `CONFIG GET ${setting}`)).toBe(
        `*2 $${setting.length} ${setting} $${value.length} ${value}`.trimEnd(),
      );
    }
    await server.stop();
    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
    expect(existsSync(server.dir)).toBe(false);
  });

  it('keeps port, folder and data through a restart with an append-only file', async () => {
    const dir = join(await temporaryFolder(), 'made', 'here');
    const server = await start({ dir, appendOnly: true });
    const { pid } = server;
    expect(await ask(server, 'SET key kept')).toBe('+OK');
    await server.restart();
    expect(server.pid).not.toBe(pid);
    expect(await ask(server, 'GET key')).toBe('$4 kept');
    server.kill('SIGKILL');
    await until(() => !isAlive(server.pid));
    await server.restart();
    expect(await ask(server, 'PING')).toBe('+PONG');
    await server.stop();
    expect(existsSync(dir)).toBe(true);
    await expect(server.restart()).rejects.toMatchObject({ code: 'redis_unavailable' });
  });

  it('refuses a port of another process, whether that process is a Redis or not', async () => {
    const other = await start();
    await expect(start({ port: other.port })).rejects.toThrow(`port ${other.port} on 127.0.0.1 is in use`);
    const stranger = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const { port } = stranger.address() as AddressInfo;
    await expect(start({ port })).rejects.toThrow('is in use');
    stranger.close();
  });

  it('fails at once with the end of its log', async () => {
    const dir = await temporaryFolder();
    await writeBrokenAppendOnlyFile(dir);
    await expect(start({ dir, appendOnly: true })).rejects.toMatchObject({
      code: 'redis_unavailable',
      message: expect.stringMatching(/end of its log.*(format|AOF|append only)/is) as string,
    });
  });

  it('names the install command when no server is installed', async () => {
    await expect(start({ path: '', folders: [] })).rejects.toThrow('apt-get install');
  });

  it('stops when its signal is aborted, before or after the start', async () => {
    const stop = new AbortController();
    const server = await start({ signal: stop.signal });
    stop.abort();
    await until(() => !isAlive(server.pid) && !existsSync(server.dir));
    await expect(start({ signal: AbortSignal.abort() }).then((late) => ask(late, 'PING'))).rejects.toThrow();
  });

  it.each([
    ['is killed', 'setInterval(() => {}, 1000)', 'SIGKILL'],
    ['exits without stopping it', 'process.exit(0)', undefined],
    ['is asked to end', 'setInterval(() => {}, 1000)', 'SIGTERM'],
  ] as const)('ends and removes its folder when its parent %s', async (_name, then, signal) => {
    const script = `
      import { startRedisServer } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
      const server = await startRedisServer({ path: process.env.PATH });
      console.log(JSON.stringify({ pid: server.pid, dir: server.dir }));
      ${then}`;
    const parent = spawn(process.execPath, ['--conditions=@sconce/source', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanups.push(async () => parent.kill('SIGKILL'));
    const exited = once(parent, 'exit');
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const { pid, dir } = JSON.parse(line.toString()) as { pid: number; dir: string };
    cleanups.push(async () => isAlive(pid) && process.kill(pid, 'SIGKILL'));
    if (signal !== undefined) parent.kill(signal);
    await exited;
    await until(() => !isAlive(pid) && !existsSync(dir));
  });
});

/** Writes an append-only folder with a broken manifest, in both layouts. Redis refuses to start with it. */
async function writeBrokenAppendOnlyFile(dir: string): Promise<void> {
  await mkdir(join(dir, 'appendonlydir'));
  await writeFile(join(dir, 'appendonlydir', 'appendonly.aof.manifest'), 'garbage\n');
  await writeFile(join(dir, 'appendonly.aof'), 'garbage\n');
}
