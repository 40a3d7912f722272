import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCONCE = fileURLToPath(new URL('../../apps/cli/bin/sconce.mjs', import.meta.url));

/** The whole system on this machine, as built. */
export interface BenchStack {
  readonly url: string;
  readonly pids: { readonly redis: number; readonly api: number; readonly workers: readonly number[] };
  stop(): Promise<void>;
}

/** Starts `sconce up` on a free port; `env` is given to the API and the workers. */
export async function startBenchStack(options: {
  readonly data: string;
  readonly workers?: number;
  readonly env?: Readonly<Record<string, string>>;
}): Promise<BenchStack> {
  const { data, workers = 1, env = {} } = options;
  const args = ['up', '--json', '--port', '0', '--data', data, '--workers', String(workers)];
  const child = spawn(process.execPath, [SCONCE, ...args], {
    env: { ...process.env, SCONCE_LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  // However this process ends, it leaves nothing behind.
  process.once('exit', () => child.kill('SIGTERM'));
  for await (const line of createInterface(child.stdout)) {
    const { url, pids } = JSON.parse(line) as BenchStack;
    return {
      url,
      pids,
      stop: async () => {
        child.kill('SIGTERM');
        await exited;
      },
    };
  }
  throw new Error('sconce up ended before it was ready');
}

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

/** A quantile of values in any order. */
export function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)] ?? NaN;
}
