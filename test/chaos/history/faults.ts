import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '@sconce/testing/without-vitest';
import { partsOf, type FaultKind, type FaultTarget } from './allowances.ts';
import type { FaultPlan } from './plan/plan.ts';
import type { Recorder } from './recorder.ts';
import type { ManagedProcess } from './system/managed-process.ts';
import { redisCommand } from './system/redis-command.ts';
import { NORMAL_MAX_MEMORY } from './system/redis-setup.ts';
import type { System } from './system/system.ts';

/** Makes a fault. The function that it returns ends the fault, and resolves when what it stopped runs again. Undefined: not on this machine. */
type Begin = (system: System, fault: FaultPlan) => Promise<(() => Promise<unknown>) | undefined>;

const REPAIRED_MS = 60_000;

const ended =
  (signal: 'SIGKILL' | 'SIGTERM'): Begin =>
  async (system, fault) => {
    const process = processOf(system, fault);
    await process.hold(signal);
    return () => process.release();
  };
const stopped: Begin = async (system, fault) => {
  const process = processOf(system, fault);
  process.signal('SIGSTOP');
  return async () => process.signal('SIGCONT');
};
const configured =
  (begin: readonly string[], end: readonly string[]): Begin =>
  async ({ redis }) => {
    const port = redis.servers[0]?.port ?? 0;
    await redisCommand(port, ...begin);
    return () => redisCommand(port, ...end);
  };

/** How each fault is made. */
const BEGIN: Readonly<Record<FaultKind, Begin>> = {
  'kill-api': ended('SIGKILL'),
  'drain-api': ended('SIGTERM'),
  'stop-api': stopped,
  'kill-worker': ended('SIGKILL'),
  'drain-worker': ended('SIGTERM'),
  'stop-worker': stopped,
  'kill-redis': async ({ redis: { servers } }) => {
    servers[0]?.kill('SIGKILL');
    return async () => servers[0]?.restart();
  },
  'stop-redis': async ({ redis: { servers } }) => {
    servers[0]?.kill('SIGSTOP');
    return async () => servers[0]?.kill('SIGCONT');
  },
  'slow-redis': async ({ redis: { servers } }, { forMs, size }) => {
    const stopping = new AbortController();
    const pauses = pauseAgainAndAgain(servers[0]?.port ?? 0, { forMs, pauseMs: size, signal: stopping.signal });
    return async () => {
      stopping.abort();
      await pauses;
    };
  },
  'read-only-redis': configured(['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']),
  'full-redis': configured(
    ['CONFIG', 'SET', 'maxmemory', '1000000'],
    ['CONFIG', 'SET', 'maxmemory', NORMAL_MAX_MEMORY],
  ),
  failover,
  'store-away': async ({ store }) => {
    await store.takeAway();
    return () => store.bringBack();
  },
  'disk-full': async ({ store }) => {
    if (!store.small) return undefined;
    await store.fill();
    return () => store.empty();
  },
  'late-replies': async ({ redis: { proxies } }, { size }) => {
    for (const proxy of proxies.values()) proxy.delayReplies(size);
    return async () => {
      for (const proxy of proxies.values()) proxy.delayReplies(0);
    };
  },
  'cut-connections': async ({ redis: { proxies } }) => {
    for (const proxy of proxies.values()) proxy.cut(true);
    return async () => {
      for (const proxy of proxies.values()) proxy.accept();
    };
  },
};

/** Makes the planned faults at their times. A fault waits for earlier faults of the same parts, because a process may end slowly. */
export async function runFaults(system: System, recorder: Recorder, faults: readonly FaultPlan[]): Promise<void> {
  const latest = new Map<FaultTarget, Promise<void>>();
  for (const fault of faults) {
    const parts = partsOf(fault.kind);
    const earlier = parts.map((part) => latest.get(part));
    const own = Promise.all(earlier).then(() => runFault(system, recorder, fault));
    for (const part of parts) latest.set(part, own);
  }
  await Promise.all(latest.values());
}

/** Makes a fault and ends it. Both are in the history: the beginning before it, the end behind it. */
async function runFault(system: System, recorder: Recorder, fault: FaultPlan): Promise<void> {
  await delay(Math.max(0, fault.atMs - recorder.now()));
  const { id, kind, process } = fault;
  const event = { type: 'fault', fault: id, kind, ...(process === undefined ? {} : { process }) } as const;
  recorder.add({ ...event, phase: 'begin' });
  const end = await BEGIN[kind](system, fault);
  if (end === undefined) return recorder.add({ ...event, phase: 'skipped' });
  await delay(fault.forMs);
  await end();
  recorder.add({ ...event, phase: 'end' });
}

function processOf({ processes }: System, { process = '' }: FaultPlan): ManagedProcess {
  const found = processes.get(process);
  if (found === undefined) throw new Error(`there is no process ${process}`);
  return found;
}

/** Redis answers nothing for `pauseMs`, then works for a third of that, and so on. */
async function pauseAgainAndAgain(
  port: number,
  { forMs, pauseMs, signal }: { forMs: number; pauseMs: number; signal: AbortSignal },
): Promise<void> {
  const until = performance.now() + forMs;
  while (!signal.aborted && performance.now() < until) {
    await redisCommand(port, 'CLIENT', 'PAUSE', String(pauseMs), 'ALL');
    await delay((pauseMs * 4) / 3);
  }
}

/** The primary stops or dies, and the Sentinels make the replica the primary. It ends when the other is a replica that is in step. */
async function failover({ redis: { servers } }: System, { size }: FaultPlan): Promise<() => Promise<unknown>> {
  const roles = await Promise.all(servers.map(({ port }) => redisCommand(port, 'INFO', 'replication')));
  const primary = servers[roles.findIndex((text) => text.includes('role:master'))];
  const dies = size % 2 === 0;
  primary?.kill(dies ? 'SIGKILL' : 'SIGSTOP');
  return async () => {
    if (dies) await primary?.restart();
    else primary?.kill('SIGCONT');
    await eventually(
      async () => {
        const now = await Promise.all(servers.map(({ port }) => redisCommand(port, 'INFO', 'replication')));
        const [first, ...others] = now.filter((text) => text.includes('role:master'));
        return others.length === 0 && /slave0:.*state=online/.test(first ?? '');
      },
      { timeoutMs: REPAIRED_MS, intervalMs: 200 },
    );
  };
}
