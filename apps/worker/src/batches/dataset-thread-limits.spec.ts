import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { failOnLeaks } from '@sconce/testing';
import { storageConfigSchema } from '@sconce/storage';
import { DATASET_LIMITS, type DatasetLimits } from './dataset-limits.ts';
import { DatasetThreads, type TaskOptions } from './dataset-threads.ts';
import { StartedThreads } from './testing/started-threads.ts';
import { ThreadWatch } from './thread-watch.ts';

// A task that exceeds a limit fails, and its thread is replaced. Nothing else fails. The threads of this spec do as their tasks say.

vi.setConfig({ testTimeout: 60_000 });
failOnLeaks();

const MIB = 1024 ** 2;
const LIMITS = { ...DATASET_LIMITS, busyMs: 1_000, memoryBytes: 128 * MIB };
let live: StartedThreads;
const opened: DatasetThreads[] = [];

beforeEach(() => {
  live = new StartedThreads();
});
afterEach(async () => {
  for (const threads of opened.splice(0)) await threads.close();
  live.close();
});

function open(limits: Partial<DatasetLimits> = {}, size = 1): DatasetThreads {
  const threads = new DatasetThreads(
    {
      storage: storageConfigSchema.parse({ root: 'none' }),
      s3: {},
      datasetRoots: [],
      limits: { ...LIMITS, ...limits },
      threadUrl: new URL('./testing/misbehaving.thread.ts', import.meta.url),
    },
    size,
  );
  opened.push(threads);
  return threads;
}

type Behaviour = 'busy' | 'objects' | 'buffers' | 'slow' | 'endless' | 'good';

/** Has a thread do a task of the given kind. Resolves with `done`, or with the error's code and message. */
async function task(
  threads: DatasetThreads,
  kind: 'plan' | 'validate',
  format: Behaviour,
  options: TaskOptions = {},
): Promise<unknown> {
  const given = kind === 'plan' ? { plan: { format } } : { spec: { format } };
  return threads
    .do(kind, given as never, options)
    .catch((error: Error & { code: string }) => [error.code, error.message]);
}

describe('a task that exceeds a limit', () => {
  it.each<[Behaviour, Partial<DatasetLimits>, RegExp]>([
    ['busy', {}, /^Finding rows of the dataset kept a thread busy for 1 s of CPU time without a pause/],
    ['objects', { busyMs: 60_000 }, /needed more than 128 MiB \(SCONCE_DATASET_THREAD_MEMORY_BYTES\)/],
    ['buffers', {}, /needed more than 128 MiB \(SCONCE_DATASET_THREAD_MEMORY_BYTES\)/],
    ['endless', { taskMs: 500 }, /took more than 0.5 s \(SCONCE_DATASET_TASK_MS\)/],
  ])('fails with the limit and its setting: %s', async (behaviour, limits, message) => {
    const threads = open(limits);
    expect(await task(threads, 'plan', behaviour)).toEqual(['invalid_dataset', expect.stringMatching(message)]);
    expect(await task(threads, 'plan', 'good')).toBe('done');
    expect(live.started).toBe(2);
  });

  it('does not fail the other task of its thread', async () => {
    const threads = open();
    const other = task(threads, 'validate', 'slow');
    const waiting = task(threads, 'validate', 'good');
    expect(await task(threads, 'plan', 'busy')).toEqual(['invalid_dataset', expect.stringContaining('busy')]);
    expect(await Promise.all([other, waiting])).toEqual(['done', 'done']);
  });

  it('does not keep a thread from its tasks for ever, however many such tasks there are', async () => {
    const threads = open({}, 2);
    const busy = Array.from({ length: 4 }, (_, index) => task(threads, index % 2 === 0 ? 'plan' : 'validate', 'busy'));
    expect(await task(threads, 'plan', 'good')).toBe('done');
    for (const outcome of await Promise.all(busy)) expect(outcome).toEqual(['invalid_dataset', expect.any(String)]);
    expect(live.count).toBeLessThanOrEqual(2);
  });
});

describe('a task that is aborted', () => {
  it.each<Behaviour>(['busy', 'endless'])('ends soon, also if it does not answer: %s', async (behaviour) => {
    const threads = open({ busyMs: 60_000 });
    const stop = new AbortController();
    const aborted = task(threads, 'plan', behaviour, { signal: stop.signal });
    const other = task(threads, 'validate', 'slow');
    // By then the thread is with the tasks.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    stop.abort();
    expect(await aborted).toEqual(['job_cancelled', expect.any(String)]);
    expect(await other).toBe('done');
    expect(await task(threads, 'plan', 'good')).toBe('done');
  });
});

describe('ThreadWatch', () => {
  it('counts CPU time and not time, so that a thread that waits for its turn is not busy', async () => {
    const exceeded: string[] = [];
    const pings: unknown[] = [];
    // This thread stands for the watched one: it uses almost no CPU while it waits, and never answers.
    const worker = {
      postMessage: (message: unknown) => pings.push(message),
      getHeapStatistics: () => Promise.reject(new Error('ended')),
    };
    const watch = new ThreadWatch(worker as never, { busyMs: 400, memoryBytes: MIB }, (what) => exceeded.push(what));
    watch.started(Number(basename(readlinkSync('/proc/thread-self'))));
    watch.start();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(pings).toHaveLength(1);
    expect(exceeded).toEqual([]);
    // Now it works, with pauses in which the watch can look.
    for (let turn = 0; turn < 80 && exceeded.length === 0; turn++) {
      const end = performance.now() + 50;
      while (performance.now() < end);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    watch.stop();
    expect(exceeded[0]).toBe('busy');
  });
});
