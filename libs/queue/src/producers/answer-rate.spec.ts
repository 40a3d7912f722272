import { describe, expect, it } from 'vitest';
import { AnswerRate } from './answer-rate.ts';

function waiting(rate: AnswerRate, count: number, nowMs: number): void {
  for (let n = 0; n < count; n++) rate.begin(nowMs);
}

describe('AnswerRate', () => {
  it('expects the next request to wait for all others, at the rate of their answers', () => {
    const rate = new AnswerRate();
    waiting(rate, 200, 0);
    for (let n = 1; n <= 100; n++) rate.end(n * 10, true);
    expect(rate.outstanding).toBe(100);
    expect(rate.expectedWaitMs()).toBeCloseTo(1_010);
  });

  it('does not count a line as slow that has little to do, or whose first answer takes long', () => {
    const rate = new AnswerRate();
    for (let second = 0; second < 60; second++) {
      rate.begin(second * 1_000);
      rate.end(second * 1_000 + 500, true);
    }
    waiting(rate, 200, 60_000);
    expect(rate.expectedWaitMs()).toBeUndefined();
    for (let n = 0; n < 100; n++) rate.end(70_000 + 5 * n, true);
    expect(rate.expectedWaitMs()).toBeCloseTo(505);
  });

  it('knows nothing before answers have come, or while few requests wait', () => {
    const rate = new AnswerRate();
    waiting(rate, 70, 0);
    rate.end(500, false);
    expect(rate.expectedWaitMs()).toBeUndefined();
    rate.end(510, true);
    expect(rate.expectedWaitMs()).toBeUndefined();
    rate.end(620, true);
    expect(rate.expectedWaitMs()).toBeGreaterThan(0);
    for (let n = 0; n < 5; n++) rate.end(600, true);
    expect(rate.expectedWaitMs()).toBeUndefined();
  });

  it('follows a change of the rate within seconds, also after no answer came for a time', () => {
    const rate = new AnswerRate();
    waiting(rate, 10_000, 0);
    let now = 0;
    for (let n = 0; n < 1_000; n++) rate.end((now += 10), true);
    for (let n = 0; n < 6_000; n++) rate.end((now += 1), true);
    expect(rate.expectedWaitMs()! / rate.outstanding).toBeLessThan(1.7);
    const before = rate.expectedWaitMs()!;
    rate.begin(now + 3_000);
    // Nothing was answered for three seconds: the pace is less, but not nothing.
    expect(rate.expectedWaitMs()).toBeGreaterThan(before);
    expect(rate.expectedWaitMs()).toBeLessThan(before * 10);
  });
});
