import { describe, expect, it } from 'vitest';
import type { Batch, Job } from '@sconce/client';
import { renderWaterfall } from '@sconce/trace-view';
import { tracedBatch, tracedJob } from './traced-work.ts';

const job: Job = {
  id: 'j',
  object: 'job',
  model: 'm',
  version: '1',
  status: 'succeeded',
  created_at: 1,
  timestamps_ms: { accepted: 1_000, started: 1_040, finished: 1_100 },
  timing: { queue_ms: 40, batch_ms: 10, run_ms: 40, batch_rows: 8 },
};
const batch = {
  id: 'batch_1',
  model: 'm',
  version: '1',
  status: 'completed',
  request_counts: { total: 9, completed: 8, failed: 1 },
  errors: null,
  trace_id: 'a'.repeat(32),
  timestamps_ms: { created: 1_000, in_progress: 1_200, finalizing: 1_900, completed: 2_000 },
} as unknown as Batch;

const draw = (stages: ReturnType<typeof tracedJob>['stages']): string =>
  renderWaterfall(stages, { width: 60, title: 'record' });

describe('stages drawn without a trace backend', () => {
  it('shows a job that has ended', () => {
    const work = tracedJob(job, 9_999);
    expect(work).toMatchObject({ endedAtMs: 1_100, traceId: undefined, title: 'job j: succeeded, m version 1' });
    expect(draw(work.stages)).toMatchInlineSnapshot(`
      "record  5 spans, 100.00 ms
      └─ job                     100.00 ms  |████████████████████|
         ├─ queued                40.00 ms  |████████            |
         ├─ waiting for a run     10.00 ms  |        ██          |
         ├─ run of 8 rows         40.00 ms  |          ████████  |
         └─ answering             10.00 ms  |                  ██|
      "
    `);
  });

  it.each([
    ['ended in the millisecond in which it was accepted', 1_000, { queue_ms: 0.6, batch_ms: 0.1, run_ms: 0.2 }, 0.9],
    ['was answered in the millisecond of its run', 1_002, { queue_ms: 2.1, batch_ms: 0.2, run_ms: 0.4 }, 2.7],
    ['ran on a machine whose clock is ahead', 1_010, { queue_ms: 40, batch_ms: 10, run_ms: 40 }, 11],
    ['took no time that a clock could see', 1_000, { queue_ms: 0, batch_ms: 0, run_ms: 0 }, 0],
  ])('shows every stage of a job that %s', (_, finished, timing, totalMs) => {
    const ended = { ...job, timestamps_ms: { accepted: 1_000, started: 1_000, finished } };
    const [root, ...stages] = tracedJob({ ...ended, timing: { ...timing, batch_rows: 1 } }, 9_999).stages;
    expect(root?.endMs).toBeCloseTo(1_000 + totalMs, 6);
    expect(stages.map(({ name }) => name)).toEqual(['queued', 'waiting for a run', 'run of 1 row', 'answering']);
    // They follow each other and fill the job.
    expect(stages.map(({ startMs }) => startMs)).toEqual([1_000, ...stages.slice(0, -1).map(({ endMs }) => endMs)]);
    for (const { startMs, endMs } of stages) expect(endMs).toBeGreaterThanOrEqual(startMs);
    expect(stages.at(-1)?.endMs).toBe(Math.max(stages.at(-1)!.startMs, Math.min(root!.endMs, finished)));
  });

  it('shows a job that waits, runs or has failed', () => {
    const { timing: _, ...bare } = job;
    const waits = tracedJob({ ...bare, status: 'queued', timestamps_ms: { accepted: 1_000 } }, 3_000);
    expect(draw(waits.stages)).toMatch(/job +2000.00 ms[^\n]*\n +└─ queued +2000.00 ms[^\n]*\n$/);
    const runs = tracedJob({ ...bare, status: 'running', timestamps_ms: { accepted: 1_000, started: 2_000 } }, 3_000);
    expect(draw(runs.stages)).toMatch(/queued +1000.00 ms[^\n]*\n +└─ running +1000.00 ms/);
    const failed = tracedJob({ ...bare, status: 'failed', error: { code: 'x', message: 'no' } }, 9_999);
    expect(draw(failed.stages)).toMatch(/job +100.00 ms.*ERROR no\n.*queued +40.00 ms.*\n.*running +60.00 ms/);
    const never = tracedJob(
      { ...bare, status: 'cancelled', timestamps_ms: { accepted: 1_000, finished: 1_100 } },
      9_999,
    );
    expect(draw(never.stages)).toMatch(/job +100.00 ms[^\n]*\n +└─ queued +100.00 ms[^\n]*\n$/);
  });

  it('shows the states of a batch, also of one that was retried', () => {
    const work = tracedBatch(batch, 9_999);
    expect(work.title).toBe('batch batch_1: completed, 8 rows, 1 failed, m version 1');
    expect(draw(work.stages)).toMatchInlineSnapshot(`
      "record  4 spans, 1000.00 ms
      └─ batch             1000.00 ms  |█████████████████████████|
         ├─ validating      200.00 ms  |█████                    |
         ├─ in_progress     700.00 ms  |     ██████████████████  |
         └─ finalizing      100.00 ms  |                      ███|
      "
    `);
    const atOnce = { created: 1_000, in_progress: 1_200, finalizing: 1_300, completed: 1_300 };
    const quick = tracedBatch({ ...batch, timestamps_ms: atOnce }, 9_999);
    expect(quick.stages.map(({ name }) => name)).toEqual(['batch', 'validating', 'in_progress', 'finalizing']);
    // `completed` is older than `in_progress`: it belongs to the run before the retry and is ignored.
    const again = { created: 1_000, completed: 1_500, in_progress: 2_000 };
    const retried = tracedBatch({ ...batch, status: 'in_progress', timestamps_ms: again }, 4_000);
    expect(retried.endedAtMs).toBeUndefined();
    expect(draw(retried.stages)).toMatch(/validating +1000.00 ms[^\n]*\n[^\n]*in_progress +2000.00 ms/);
  });
});
