import { expect, it } from 'vitest';
import { LocalStatistics } from './local-statistics.ts';

it('adds up the runs and requests of each version', () => {
  const statistics = new LocalStatistics();
  const version = { model: 'm', version: '1' };
  const timing = { queueMs: 0, batchMs: 1, runMs: 2, batchRows: 4 };
  expect(statistics.read('m', '1')).toMatchObject({ lastInferenceMs: 0, inferenceCount: 0, batches: [] });
  statistics.recordRun({ ...version, rows: 4, runMs: 2, outputMs: 1 });
  statistics.recordRun({ ...version, rows: 1, runMs: 1.5, outputMs: 0 });
  statistics.recordRun({ ...version, rows: 4, runMs: 3, outputMs: 2 });
  statistics.recordRequest({ ...version, totalMs: 5, timing, outputMs: 0.5 });
  statistics.recordRequest({ ...version, totalMs: 7, failure: 'deadline_exceeded' });
  statistics.recordRequest({ ...version, totalMs: 1, failure: 'deadline_exceeded' });
  statistics.recordRequest({ ...version, totalMs: 2, failure: 'invalid_input' });
  expect(statistics.read('m', '1')).toEqual({
    lastInferenceMs: expect.any(Number) as number,
    inferenceCount: 9,
    executionCount: 3,
    success: { count: 1, ns: 5e6 },
    fail: { count: 3, ns: 10e6 },
    failures: { deadline_exceeded: { count: 2, ns: 8e6 }, invalid_input: { count: 1, ns: 2e6 } },
    queue: { count: 1, ns: 0 },
    batchWait: { count: 1, ns: 1e6 },
    run: { count: 1, ns: 2e6 },
    output: { count: 1, ns: 0.5e6 },
    batches: [
      { rows: 1, count: 1, ns: 1.5e6, outputNs: 0 },
      { rows: 4, count: 2, ns: 5e6, outputNs: 3e6 },
    ],
  });
  expect(statistics.read('m', '2').inferenceCount).toBe(0);
});
