import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const READY_MS = 30_000;

/** The message that a process sends when it is ready. */
export interface ReadyMessage {
  readonly url?: string;
  /** Host and port of gRPC. */
  readonly grpcUrl?: string;
  readonly metricsUrl: string;
}

/** One process of the product, from the build. The caller that starts it must end it. */
export interface ProductProcess {
  readonly child: ChildProcess;
  /** Rejects if the process ends before it is ready, or takes too long. */
  readonly ready: Promise<ReadyMessage>;
  /** Resolves when it has ended, with the exit code. */
  readonly exited: Promise<number | null>;
  /** Sends SIGTERM, and SIGKILL if the process has not ended after `killAfterMs`. Returns the exit code. */
  stop(killAfterMs: number): Promise<number | null>;
}

/** Starts the API or a worker with only these environment variables. */
export function startProduct(
  app: 'api' | 'worker',
  env: Readonly<Record<string, string>>,
  execArgv: readonly string[] = [],
): ProductProcess {
  // stdout is ignored: a full pipe would stop the process.
  const child = fork(join(ROOT, `apps/${app}/dist/main.js`), {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Without the flags of the specs, which make Node load the sources: the process runs the build.
    execArgv: [...execArgv],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const ready = new Promise<ReadyMessage>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the ${app} was not ready within ${READY_MS} ms`)), READY_MS);
    child.once('message', (message) => {
      clearTimeout(timer);
      resolve(message as ReadyMessage);
    });
    void exited.then((code) => {
      clearTimeout(timer);
      reject(new Error(`the ${app} ended with ${code} before it was ready`));
    });
  });
  const stop = async (killAfterMs: number): Promise<number | null> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    const code = await exited;
    clearTimeout(timer);
    return code;
  };
  return { child, ready, exited, stop };
}
