import { createHook } from 'node:async_hooks';
import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { eventually } from './eventually.ts';

/** How many of each kind of resource this process holds, e.g. `{ timer: 0, TCPSocketWrap: 2 }`. */
export type ResourceCounts = Readonly<Record<string, number>>;

const SETTLE_MS = 2_000;

/** One-shot work of Node and of vitest's reporting. It ends by itself and is no leak. */
const ONE_SHOT_KINDS: ReadonlySet<string> = new Set([
  'Timeout', // counted separately below
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
 * Timers made since the last snapshot, by async id. A count is not enough: if one of vitest's timers ends during a test, the count would
 * hide a leaked timer.
 */
const newTimers = new Map<number, NodeJS.Timeout>();
const timerHook = createHook({
  init: (asyncId, type, _trigger, resource) => {
    if (type === 'Timeout' && !isMadeByVitest()) newTimers.set(asyncId, resource as NodeJS.Timeout);
  },
  destroy: (asyncId) => void newTimers.delete(asyncId),
  trackPromises: false,
});

/**
 * Whether the timer that is being made belongs to vitest (the time limit of a hook or test, a report) or to this check's own waiting.
 * The innermost caller outside Node and this file shows it.
 */
function isMadeByVitest(): boolean {
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  const caller = frames.find((frame) => !/[( ]node:|fail-on-leaks\.[jt]s/.test(frame));
  return caller !== undefined && /\/node_modules\/(@vitest|vitest)\/|\/eventually\.[jt]s/.test(caller);
}

/**
 * Call it at the top of a spec file or of a describe. Each test then fails if a worker thread, a child process, a socket, a server or a
 * referenced timer that it opened is still open `settleMs` (2 s) after its end. Resources that beforeAll opens do not count.
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
 * The resources that the process holds now, to compare with later. Timers are counted from this call on. Use it with `failOnLeaks`:
 * resources that were opened before `failOnLeaks` are not seen.
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
    if (!ONE_SHOT_KINDS.has(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Waits up to `settleMs` until the counts are back at `before`, else throws an error that names the open resources. */
export async function assertNoGrowth(before: ResourceCounts, settleMs = SETTLE_MS): Promise<void> {
  await eventually(
    () => {
      const left = growth(before, countResources());
      if (left !== '')
        throw new Error(`the test left open: ${left}. Close them in the test, or open them in beforeAll`);
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
