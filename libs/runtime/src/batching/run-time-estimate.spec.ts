import { describe, expect, it } from 'vitest';
import { RunTimeEstimate } from './run-time-estimate.ts';

describe('RunTimeEstimate', () => {
  it('knows nothing at first', () => {
    expect(new RunTimeEstimate().of(5)).toBe(0);
  });

  it('takes what was not measured from its neighbours, never less than they allow', () => {
    const estimate = new RunTimeEstimate([
      { rows: 1, latencyMs: 2 },
      { rows: 8, latencyMs: 10 },
    ]);
    expect([1, 2, 4, 8, 16, 64].map((rows) => estimate.of(rows))).toEqual([2, 4, 10, 10, 20, 80]);
  });

  it('is lowered by doubt, of the neighbours’ as well as of its own', () => {
    const estimate = new RunTimeEstimate([{ rows: 8, latencyMs: 10 }]);
    for (const rows of [8, 4]) estimate.doubt(rows);
    expect([4, 8].map((rows) => estimate.of(rows))).toEqual([8.1, 9]);
  });

  it('follows what runs take, and is not thrown off by one', () => {
    const estimate = new RunTimeEstimate([{ rows: 4, latencyMs: 1 }]);
    estimate.record(3, 1_000);
    expect(estimate.of(4)).toBeLessThan(2);
    for (let run = 0; run < 50; run++) estimate.record(4, 10);
    expect(estimate.of(4)).toBeCloseTo(10, 0);
  });
});
