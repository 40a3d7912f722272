import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { eventually, temporaryFolder } from '@sconce/testing';

// Tests bin/sconce.mjs alone: each test writes its own main.js.

const LAUNCHER = fileURLToPath(new URL('../bin/sconce.mjs', import.meta.url));
/** Makes this Node report an old version to the launcher. The process that the launcher starts does not inherit the flag. */
const OLD = `--import=data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '22.14.9' } })",
)}`;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Makes an installation: the launcher, `main` as its main.js, and this Node as the project's own Node. */
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
  it('runs the command line itself if its Node is new enough', async () => {
    expect(await run(install(ECHO))).toEqual({ code: 7, stdout: ECHOED, stderr: '' });
  });

  it('starts the project’s own Node if its Node is too old', async () => {
    expect(await run(install(ECHO), { old: true })).toEqual({ code: 7, stdout: ECHOED, stderr: '' });
  });

  it('says what to do if the project has no Node', async () => {
    const { code, stderr } = await run(install(ECHO, { node: false }), { old: true });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^sconce needs Node 22\.15.*22\.14\.9.*\n.*npm ci.*\n$/)]);
  });

  it.each([false, true])('says how to build the CLI if it is not built (old Node: %s)', async (old) => {
    expect(await run(install(undefined), { old })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('npm run build'),
    });
  });

  it('passes a signal on once, and returns the exit code', async () => {
    const main = `let count = 0;
      process.on('SIGINT', () => { count += 1; setTimeout(() => process.exit(40 + count), 100); });
      setInterval(() => {}, 1000); console.log('up');`;
    expect((await run(install(main), { old: true, onOutput: (kill) => kill('SIGINT') })).code).toBe(41);
  });

  it('exits with 128 + signal if a signal ended the child, as shells do', async () => {
    const main = `process.kill(process.pid, 'SIGKILL');`;
    expect((await run(install(main), { old: true })).code).toBe(137);
  });

  it('leaves no process behind when it is killed with SIGKILL', async () => {
    const main = `process.once('disconnect', () => process.exit()); console.log(process.pid); setInterval(() => {}, 1000);`;
    const { stdout } = await run(install(main), { old: true, onOutput: (kill) => kill('SIGKILL') });
    await eventually(() => {
      expect(() => process.kill(Number(stdout), 0)).toThrow();
    });
  });
});
