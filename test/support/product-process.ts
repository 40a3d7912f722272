import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const READY_MS = 30_000;

/** What a process sends when it is up. */
export interface ReadyMessage {
  readonly url?: string;
  readonly metricsUrl: string;
}

/** One process of the product, as built. Whoever starts it ends it. */
export interface ProductProcess {
  readonly child: ChildProcess;
  /** Rejects where it ends, or takes too long, before it is up. */
  readonly ready: Promise<ReadyMessage>;
  /** Resolves when it has ended, with the exit code. */
  readonly exited: Promise<number | null>;
}

/** Starts the API or a worker with these variables and no others. */
export function startProduct(
  app: 'api' | 'worker',
  env: Readonly<Record<string, string>>,
  execArgv: readonly string[] = [],
): ProductProcess {
  // Output goes nowhere unless the test is being debugged: a full pipe must never stop a process.
  const child = fork(join(ROOT, `apps/${app}/dist/main.js`), {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // As built: not on the sources, as the specs themselves.
    execArgv: [...execArgv],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const ready = new Promise<ReadyMessage>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the ${app} was not up within ${READY_MS} ms`)), READY_MS);
    child.once('message', (message) => {
      clearTimeout(timer);
      resolve(message as ReadyMessage);
    });
    void exited.then((code) => {
      clearTimeout(timer);
      reject(new Error(`the ${app} ended with ${code} before it was up`));
    });
  });
  return { child, ready, exited };
}
