import { createHook } from 'node:async_hooks';
import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { eventually } from './eventually.ts';

/** How many of each kind of resource this process holds, e.g. `{ timer: 0, TCPSocketWrap: 2 }`. */
export type ResourceCounts = Readonly<Record<string, number>>;

const SETTLE_MS = 2_000;

/** One-shot work of the runtime and of vitest's own reporting: it ends by itself and says nothing about a leak. */
const PASSING_KINDS: ReadonlySet<string> = new Set([
  'Timeout', // counted one by one below
  'Immediate',
  'TickObject',
  'PROMISE',
  'FSReqCallback',
  'FSReqPromise',
  'CloseReq',
  'GetAddrInfoReqWrap',
  'ShutdownWrap',
  'WriteWrap',
  'TCPConnectWrap',
  'PipeConnectWrap',
  'RandomBytesRequest',
  'ZlibStream',
]);

const liveWorkers = new Set<Worker>();
const liveChildren = new Set<ChildProcess>();

/**
 * Timers made since the last snapshot, by async id. A mere count would not do: vitest's own timers come and go, and
 * one that goes during a test would make room for one that leaks.
 */
const newTimers = new Map<number, NodeJS.Timeout>();
const timerHook = createHook({
  init: (asyncId, type, _trigger, resource) => {
    if (type === 'Timeout' && !isNotOfTheTest()) newTimers.set(asyncId, resource as NodeJS.Timeout);
  },
  destroy: (asyncId) => void newTimers.delete(asyncId),
  trackPromises: false,
});

/**
 * Whether a timer now being made belongs to vitest (the time limit of a hook or test, a report) or to the waiting of
 * the check itself: told by the innermost caller outside Node and this file.
 */
function isNotOfTheTest(): boolean {
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  const caller = frames.find((frame) => !/[( ]node:|fail-on-leaks\.[jt]s/.test(frame));
  return caller !== undefined && /\/node_modules\/(@vitest|vitest)\/|\/eventually\.[jt]s/.test(caller);
}

/**
 * Call at the top of a spec, or of a describe: each test then fails if, `settleMs` (2 s) after its end, it has left a worker
 * thread, a child process, a socket, a server or a referenced timer that was not there before it.
 * Resources opened in beforeAll are not counted against a test.
 */
export function failOnLeaks(options: { readonly settleMs?: number } = {}): void {
  let before: ResourceCounts = {};
  beforeAll(() => {
    timerHook.enable();
    subscribe('worker_threads', onWorker);
    subscribe('child_process', onChild);
  });
  afterAll(() => {
    timerHook.disable();
    newTimers.clear();
    unsubscribe('worker_threads', onWorker);
    unsubscribe('child_process', onChild);
  });
  beforeEach(() => {
    before = snapshotResources();
  });
  afterEach(() => assertNoGrowth(before, options.settleMs));
}

/**
 * What the process holds now, to compare with later; timers are counted from here on. For use under `failOnLeaks`:
 * what was started before it is not seen.
 */
export function snapshotResources(): ResourceCounts {
  newTimers.clear();
  return countResources();
}

function countResources(): ResourceCounts {
  const counts: Record<string, number> = {
    'worker thread': liveWorkers.size,
    'child process': liveChildren.size,
    timer: [...newTimers.values()].filter((timer) => timer.hasRef()).length,
  };
  for (const kind of process.getActiveResourcesInfo()) {
    if (!PASSING_KINDS.has(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Waits up to `settleMs` for the counts to come back to `before`; then throws, naming what is left. */
export async function assertNoGrowth(before: ResourceCounts, settleMs = SETTLE_MS): Promise<void> {
  await eventually(
    () => {
      const left = growth(before, countResources());
      if (left !== '') throw new Error(`the test left behind: ${left}. Close what it opened, or open it in beforeAll`);
    },
    { timeoutMs: settleMs },
  );
}

function growth(before: ResourceCounts, now: ResourceCounts): string {
  return Object.entries(now)
    .map(([kind, count]) => ({ kind, more: count - (before[kind] ?? 0) }))
    .filter(({ more }) => more > 0)
    .map(({ kind, more }) => `${more} × ${kind}`)
    .join(', ');
}

function onWorker(message: unknown): void {
  const { worker } = message as { worker: Worker };
  liveWorkers.add(worker);
  worker.once('exit', () => liveWorkers.delete(worker));
}

function onChild(message: unknown): void {
  const { process: child } = message as { process: ChildProcess };
  liveChildren.add(child);
  child.once('exit', () => liveChildren.delete(child));
  child.once('error', () => liveChildren.delete(child)); // never started
}
