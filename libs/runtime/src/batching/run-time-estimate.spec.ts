import { describe, expect, it } from 'vitest';
import { RunTimeEstimate } from './run-time-estimate.ts';

describe('RunTimeEstimate', () => {
  it('is 0 when nothing is known', () => {
    expect(new RunTimeEstimate().of(5)).toBe(0);
  });

  it('estimates numbers of rows that were not measured from the nearest ones', () => {
    const estimate = new RunTimeEstimate([
      { rows: 1, latencyMs: 2 },
      { rows: 8, latencyMs: 10 },
    ]);
    expect([1, 2, 4, 8, 16, 64].map((rows) => estimate.of(rows))).toEqual([2, 4, 10, 10, 20, 80]);
  });

  it('is lowered, also for a number of rows that was not measured', () => {
    const estimate = new RunTimeEstimate([{ rows: 8, latencyMs: 10 }]);
    for (const rows of [8, 4]) estimate.lower(rows);
    expect([4, 8].map((rows) => estimate.of(rows))).toEqual([8.1, 9]);
  });

  it('follows the times of runs, and one run changes it little', () => {
    const estimate = new RunTimeEstimate([{ rows: 4, latencyMs: 1 }]);
    estimate.record(3, 1_000);
    expect(estimate.of(4)).toBeLessThan(2);
    for (let run = 0; run < 50; run++) estimate.record(4, 10);
    expect(estimate.of(4)).toBeCloseTo(10, 0);
  });
});
