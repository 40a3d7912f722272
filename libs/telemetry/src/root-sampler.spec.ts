import { SamplingDecision } from '@opentelemetry/sdk-trace-node';
import { describe, expect, it } from 'vitest';
import { RootSampler } from './root-sampler.ts';

const isTaken = (sampler: RootSampler): boolean =>
  sampler.shouldSample().decision === SamplingDecision.RECORD_AND_SAMPLED;

describe('a new trace', () => {
  it.each([
    [0, 0],
    [1, 1_000],
  ])('at the ratio %s is taken %s times of 1,000', (ratio, times) => {
    const sampler = new RootSampler({ ratio });
    expect(Array.from({ length: 1_000 }, () => isTaken(sampler)).filter(Boolean)).toHaveLength(times);
  });

  it('that was decided on is taken by the span that follows, and counts once', () => {
    const sampler = new RootSampler({ ratio: 1, maxPerSecond: 2 });
    expect([sampler.decide(), isTaken(sampler), sampler.decide(), isTaken(sampler)]).toEqual([true, true, true, true]);
    expect([sampler.decide(), isTaken(sampler)]).toEqual([false, false]);
  });

  it('of a request that only reads leaves half of the traces of a second to work', () => {
    const sampler = new RootSampler({ ratio: 1, maxPerSecond: 4 });
    const reads = Array.from({ length: 100 }, () => sampler.decide(true) && isTaken(sampler));
    expect(reads.filter(Boolean)).toHaveLength(2);
    const work = Array.from({ length: 100 }, () => sampler.decide() && isTaken(sampler));
    expect(work.filter(Boolean)).toHaveLength(2);
  });

  it('of a request that only reads is taken without a limit', () => {
    const sampler = new RootSampler({ ratio: 1 });
    expect([sampler.decide(true), isTaken(sampler)]).toEqual([true, true]);
  });
});
