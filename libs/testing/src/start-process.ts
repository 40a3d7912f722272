import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { atEndOfFile } from './end-of-file.ts';

/** Options of `startProcess`. */
export interface StartProcessOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to the test's own environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** A line of stdout or stderr that shows that the process is ready: a substring or a pattern. If absent, there is no wait. */
  readonly readyLine?: string | RegExp;
  /** How long to wait for the ready line. */
  readonly timeoutMs?: number;
}

/** How a process ended. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A child process and all processes that it starts (one process group). They are killed after the spec file at the latest. */
export interface StartedProcess {
  readonly pid: number;
  /** The line that matched `readyLine`; '' without `readyLine`. */
  readonly readyLine: string;
  readonly exited: Promise<ProcessExit>;
  /** The last 256 KB of stdout and stderr together. */
  output(): string;
  /** Sends a signal to the process, not to its children. */
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM to the process, SIGKILL to its whole group after `graceMs`; resolves with its exit. */
  stop(graceMs?: number): Promise<ProcessExit>;
}

const MAX_OUTPUT_CHARS = 256 * 1024;
const TAIL_CHARS = 4_000;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_GRACE_MS = 5_000;

/**
 * Starts a program and waits for its ready line. If it ends first, cannot be started, or takes too long, its group is killed and the error
 * has the end of its output.
 */
export async function startProcess(options: StartProcessOptions): Promise<StartedProcess> {
  const child = spawn(options.command, [...(options.args ?? [])], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  let failure = '';
  const ready = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    let partial = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-MAX_OUTPUT_CHARS);
      const lines = (partial + text).split('\n');
      partial = (lines.pop() ?? '').slice(-MAX_OUTPUT_CHARS);
      const match = lines.find((line) => matches(line, options.readyLine));
      if (match !== undefined) ready.resolve(match);
    });
  }
  child.once('error', (error) => (failure = error.message));
  // 'close' comes after the last output, so a ready line just before the end still counts.
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const killGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // the group has ended already
    }
  };
  process.once('exit', killGroup);
  atEndOfFile(async () => {
    killGroup();
    await exited;
    process.off('exit', killGroup);
  });

  const described = [options.command, ...(options.args ?? [])].join(' ');
  const fail = (what: string): Error => {
    killGroup();
    return new Error(`${described}: ${what}; its output ends:\n${output.slice(-TAIL_CHARS) || '(nothing)'}`);
  };
  const bound = new AbortController();
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const ended = async (): Promise<never> => {
    const { code, signal } = await exited;
    if (failure === '' && !child.stdout.closed) {
      await Promise.race([once(child.stdout, 'close'), delay(500, undefined, { signal: bound.signal })]);
    }
    throw fail(failure !== '' ? failure : `ended (${signal ?? `exit code ${code}`}) before it was ready`);
  };
  const late = async (): Promise<never> => {
    await delay(timeoutMs, undefined, { signal: bound.signal });
    throw fail(`not ready after ${timeoutMs} ms`);
  };
  if (options.readyLine === undefined && failure === '' && child.pid !== undefined) ready.resolve('');
  const readyLine = await Promise.race([ready.promise, ended(), late()]).finally(() => bound.abort());
  return {
    pid: child.pid ?? 0,
    readyLine,
    exited,
    output: () => output,
    kill: (signal) => void child.kill(signal),
    stop: async (graceMs = DEFAULT_GRACE_MS) => {
      const graceOver = setTimeout(killGroup, graceMs);
      child.kill('SIGTERM');
      const exit = await exited;
      clearTimeout(graceOver);
      killGroup(); // ends processes that it left running
      return exit;
    },
  };
}

function matches(line: string, pattern: string | RegExp | undefined): boolean {
  if (pattern === undefined) return false;
  return typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line);
}
