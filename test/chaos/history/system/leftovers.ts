import { setTimeout as delay } from 'node:timers/promises';
import type { Recorder } from '../recorder.ts';
import { redisCommand } from './redis-command.ts';
import type { System } from './system.ts';

const WAIT_MS = 20_000;
const READ_MS = 200;

/** What must be empty when all work has ended, and how its length is read. */
const PLACES = [
  ['the stream of the pool', ['XLEN', 'sconce:online:default']],
  ...['sconce.default.online', 'sconce.default.batch', 'sconce.registration', 'sconce.planner'].flatMap(
    (queue) =>
      [
        [`the failed set of ${queue}`, ['ZCARD', `bull:${queue}:failed`]],
        [`the waiting list of ${queue}`, ['LLEN', `bull:${queue}:wait`]],
        [`the active list of ${queue}`, ['LLEN', `bull:${queue}:active`]],
        [`the prioritised set of ${queue}`, ['ZCARD', `bull:${queue}:prioritized`]],
      ] as const,
  ),
] as const satisfies readonly (readonly [string, readonly string[]])[];

/** Records what is left in the queues when they have had time to become empty. */
export async function recordLeftovers({ redis }: System, recorder: Recorder, slack: number): Promise<void> {
  const untilMs = performance.now() + WAIT_MS * slack;
  for (;;) {
    const port = await primaryPort(redis.servers.map((server) => server.port));
    const counts = await Promise.all(PLACES.map(([, words]) => redisCommand(port, ...words).then(Number)));
    const left = PLACES.map(([where], index) => ({ where, count: counts[index] ?? 0 })).filter(
      ({ count }) => count > 0,
    );
    if (left.length === 0 || performance.now() > untilMs) {
      for (const each of left) recorder.add({ type: 'left', ...each });
      return;
    }
    await delay(READ_MS);
  }
}

async function primaryPort(ports: readonly number[]): Promise<number> {
  const roles = await Promise.all(ports.map((port) => redisCommand(port, 'INFO', 'replication')));
  return ports[roles.findIndex((text) => text.includes('role:master'))] ?? 0;
}
