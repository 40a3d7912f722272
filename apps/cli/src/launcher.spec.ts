import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { eventually, temporaryFolder } from '@sconce/testing';

// bin/sconce.mjs alone, over a main.js of the test's own.

const LAUNCHER = fileURLToPath(new URL('../bin/sconce.mjs', import.meta.url));
/** Makes this Node say it is an old one, to the launcher alone: what it starts does not inherit the flag. */
const OLD = `--import=data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '22.14.9' } })",
)}`;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An installation with the launcher, `main` as its main.js, and this Node as the project's own. */
function install(main: string | undefined, options: { node: boolean } = { node: true }): string {
  const root = temporaryFolder('launcher');
  for (const folder of ['bin', 'dist', 'node_modules/node/bin']) mkdirSync(join(root, folder), { recursive: true });
  copyFileSync(LAUNCHER, join(root, 'bin/sconce.mjs'));
  if (main !== undefined) writeFileSync(join(root, 'dist/main.js'), main);
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  if (options.node) symlinkSync(process.execPath, join(root, 'node_modules/node/bin/node'));
  return join(root, 'bin/sconce.mjs');
}

function run(
  launcher: string,
  options: { old?: boolean; onOutput?: (kill: (signal: NodeJS.Signals) => void) => void } = {},
): Promise<Ended> {
  const args = [...(options.old === true ? [OLD] : []), launcher, 'a b', '--c'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.once('data', () => options.onOutput?.((signal) => child.kill(signal)));
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

const ECHO = `console.log(JSON.stringify(process.argv.slice(2)), process.versions.node); process.exitCode = 7;`;
const ECHOED = `["a b","--c"] ${process.versions.node}\n`;

describe('the launcher', () => {
  it('runs the command line in a Node that is new enough', async () => {
    expect(await run(install(ECHO))).toEqual({ code: 7, stdout: ECHOED, stderr: '' });
  });

  it('hands over to the project’s own Node in one that is not', async () => {
    expect(await run(install(ECHO), { old: true })).toEqual({ code: 7, stdout: ECHOED, stderr: '' });
  });

  it('says what to do where there is no such Node', async () => {
    const { code, stderr } = await run(install(ECHO, { node: false }), { old: true });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^sconce needs Node 22\.15.*22\.14\.9.*\n.*npm ci.*\n$/)]);
  });

  it.each([false, true])('says how to build what is not built (old Node: %s)', async (old) => {
    expect(await run(install(undefined), { old })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('npm run build'),
    });
  });

  it('passes a signal on once, and the exit code back', async () => {
    const main = `let count = 0;
      process.on('SIGINT', () => { count += 1; setTimeout(() => process.exit(40 + count), 100); });
      setInterval(() => {}, 1000); console.log('up');`;
    expect((await run(install(main), { old: true, onOutput: (kill) => kill('SIGINT') })).code).toBe(41);
  });

  it('tells what ended by a signal as shells do', async () => {
    const main = `process.kill(process.pid, 'SIGKILL');`;
    expect((await run(install(main), { old: true })).code).toBe(137);
  });

  it('leaves nothing behind when it is killed with -9', async () => {
    const main = `process.once('disconnect', () => process.exit()); console.log(process.pid); setInterval(() => {}, 1000);`;
    const { stdout } = await run(install(main), { old: true, onOutput: (kill) => kill('SIGKILL') });
    await eventually(() => {
      expect(() => process.kill(Number(stdout), 0)).toThrow();
    });
  });
});
