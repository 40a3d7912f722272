import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { processTree } from './processes.ts';
import type { BenchStack } from './stack.ts';

/** CPU seconds by process and commands of Redis, each since the process was started. */
export interface Usage {
  readonly apiSeconds: number;
  readonly workerSeconds: number;
  readonly redisSeconds: number;
  /** Commands inside scripts count, too. */
  readonly redisCommands: number;
}

/** Linux counts CPU time in ticks of 10 ms. */
const TICKS_PER_SECOND = 100;

/** Reads what a stack has used so far; the difference of two readings is what a load cost. */
export async function readUsage({ pids, redisUrl }: Pick<BenchStack, 'pids' | 'redisUrl'>): Promise<Usage> {
  return {
    // The API may be several processes.
    apiSeconds: processTree(pids.api).reduce((sum, pid) => sum + cpuSeconds(pid), 0),
    workerSeconds: pids.workers.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
    redisSeconds: cpuSeconds(pids.redis),
    redisCommands: await redisCommands(redisUrl),
  };
}

/** CPU time of a process and all its threads, seconds. */
export function cpuSeconds(pid: number): number {
  // The name, in parentheses, may hold spaces; user and system time are the 12th and 13th fields behind it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function redisCommands(redisUrl: string): Promise<number> {
  const { hostname, port } = new URL(redisUrl);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  socket.end('INFO stats\r\nQUIT\r\n');
  await once(socket, 'close');
  const count = /^total_commands_processed:(\d+)/m.exec(text)?.[1];
  if (count === undefined) throw new Error(`Redis at ${redisUrl} did not answer INFO: ${text.slice(0, 200)}`);
  return Number(count);
}
