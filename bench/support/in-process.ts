import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LoadPlan, LoadReport } from './load-client.ts';

/** Runs a script in its own process, sends it one message, and returns the message that it sends back. */
export async function inProcess<Answer>(script: URL, message: object): Promise<Answer> {
  const child = fork(fileURLToPath(script), {
    serialization: 'advanced',
    execArgv: ['--no-warnings', '--conditions=@sconce/source'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const answered = once(child, 'message') as Promise<[Answer]>;
  const exited = once(child, 'exit').then(() => {
    throw new Error(`${script.pathname} ended without an answer`);
  });
  child.send(message);
  try {
    const [answer] = await Promise.race([answered, exited]);
    return answer;
  } finally {
    process.removeListener('exit', kill);
    exited.catch(() => undefined);
    kill();
  }
}

/** Generates load in its own process. */
export function load(plan: LoadPlan): Promise<LoadReport> {
  return inProcess<LoadReport>(new URL('load-client.ts', import.meta.url), plan);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
