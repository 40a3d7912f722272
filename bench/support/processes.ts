import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadPlan } from './load-client.ts';

/** A server process that is measured. */
export interface RunningServer {
  readonly pid: number;
  /** From the start of the process to the first answer, ms. */
  readonly coldStartMs: number;
  stop(): Promise<void>;
}

/** The command that starts an HTTP server, and a request to it. */
export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The request that is repeated until the server answers, and later for the load. */
  readonly request: Pick<LoadPlan, 'url' | 'path' | 'headers' | 'bodies'>;
}

const START_MS = 120_000;

/** Starts a server and repeats the request until it answers. */
export async function startServer({ command, args, env, request }: ServerCommand): Promise<RunningServer> {
  const beganMs = performance.now();
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] });
  const kill = (): void => void child.kill('SIGTERM');
  process.once('exit', kill);
  const url = `${request.url}${request.path}`;
  const body = Buffer.from(request.bodies[0] ?? '', 'base64');
  while (!(await answers(url, request.headers, body))) {
    if (child.exitCode !== null) throw new Error(`${command} ${args.join(' ')} ended with ${child.exitCode}`);
    if (performance.now() - beganMs > START_MS) throw new Error(`${command} ${args.join(' ')} does not answer`);
    await sleep(5);
  }
  const coldStartMs = performance.now() - beganMs;
  return {
    pid: child.pid ?? 0,
    coldStartMs,
    stop: async () => {
      process.removeListener('exit', kill);
      await end(child);
    },
  };
}

async function answers(url: string, headers: Readonly<Record<string, string>>, body: Buffer): Promise<boolean> {
  try {
    const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

/** A process and all that it started, itself first. */
export function processTree(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [pid];
  for (const each of tree) tree.push(...(children.get(each) ?? []));
  return tree;
}

/** Memory of processes, MiB. Shared pages count once (Pss). */
export function memoryMiB(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + proportional(pid), 0) / 1024;
}

function proportional(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    // The process has ended.
    return 0;
  }
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
  } catch {
    return undefined;
  }
}
