import { fileURLToPath } from 'node:url';
import { startProcess, type StartedProcess } from '@sconce/testing';

const SCONCE = fileURLToPath(new URL('../../apps/cli/bin/sconce.mjs', import.meta.url));

/** A running `sconce serve`. */
export interface Serve {
  readonly url: string;
  readonly process: StartedProcess;
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** Starts `sconce serve` with these files and options on a free port. It is killed at the end of the spec file at the latest. */
export async function startServe(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
  readyLine = /^ready /,
): Promise<Serve> {
  const process = await startProcess({
    command: globalThis.process.execPath,
    args: [SCONCE, 'serve', ...args, '--port', '0'],
    // Without the flags of the specs, which make Node load the sources: the process runs the build.
    env: { NODE_OPTIONS: undefined, SCONCE_LOG_LEVEL: 'warn', ...env },
    readyLine,
    timeoutMs: 60_000,
  });
  const [url = ''] = /http:[^"]+/.exec(process.readyLine) ?? [];
  return { url, process, fetch: (path, init) => fetch(`${url}${path}`, init) };
}

/** Runs `sconce serve` until it ends by itself. Returns its exit code and what it wrote. */
export async function failedServe(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<{ readonly code: number | null; readonly output: string }> {
  const process = await startProcess({
    command: globalThis.process.execPath,
    args: [SCONCE, 'serve', ...args],
    env: { NODE_OPTIONS: undefined, SCONCE_LOG_LEVEL: 'error', SCONCE_PORT: '0', ...env },
  });
  const { code } = await process.exited;
  return { code, output: process.output() };
}
