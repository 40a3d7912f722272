import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { atEndOfFile } from '@sconce/testing';

const SCONCE = fileURLToPath(new URL('../../apps/cli/bin/sconce.mjs', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `sconce` command. */
export interface CliProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** The first line of stdout. */
  readonly firstLine: Promise<string>;
}

/** Starts `sconce` as a user does. What still runs at the end of the spec file is killed. */
export function startSconce(args: readonly string[], env: Record<string, string> = {}): CliProcess {
  const child = spawn(process.execPath, [SCONCE, ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const line = Promise.withResolvers<string>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    const end = stdout.indexOf('\n');
    if (end >= 0) line.resolve(stdout.slice(0, end));
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => {
      line.resolve('');
      resolve({ code, stdout, stderr });
    });
  });
  atEndOfFile(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  return { child, ended, firstLine: line.promise };
}

/** Runs `sconce` to its end. */
export function sconce(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return startSconce(args, env).ended;
}

/** Whether a process is alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
