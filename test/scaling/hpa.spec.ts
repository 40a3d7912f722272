import { describe, expect, it } from 'vitest';
import { parseFormula } from './formula.ts';
import { HorizontalPodAutoscaler, replicasFor, type HpaMetric } from './hpa.ts';

const average = (value: number, target = 1): HpaMetric => ({ type: 'AverageValue', value, target });
const total = (value: number, target: number): HpaMetric => ({ type: 'Value', value, target });
const pods = (replicas: number, readyReplicas = replicas, nowMs = 0) => ({ nowMs, replicas, readyReplicas });

describe('replicasFor', () => {
  // The first two come from the Kubernetes documentation: 200 m with a target of 100 m doubles the pods, 50 m halves them.
  it.each([
    ['twice the target', total(0.2, 0.1), pods(3), 6],
    ['half the target', total(0.05, 0.1), pods(4), 2],
    ['a value within the tolerance of a tenth', total(0.109, 0.1), pods(3), 3],
    ['a value just above the tolerance', total(0.112, 0.1), pods(3), 4],
    ['a value, of which only ready pods count', total(0.2, 0.1), pods(6, 3), 6],
    ['an average, which does not depend on ready pods', average(12, 2), pods(5, 1), 6],
    ['an average that is rounded up', average(2.01), pods(1), 3],
    ['an average within the tolerance', average(1.09), pods(1), 1],
    ['an average below the tolerance', average(0.3), pods(4), 1],
    ['no work', average(0), pods(4), 0],
  ])('%s', (_name, metric, state, expected) => {
    expect(replicasFor(metric, state)).toBe(expected);
  });
});

/** Runs rounds of 15 s. Returns the pods after each round; all are ready at once. */
function rounds(
  hpa: HorizontalPodAutoscaler,
  metrics: readonly (number | undefined)[],
  { from = 1, everyMs = 15_000 }: { from?: number; everyMs?: number } = {},
): readonly number[] {
  let replicas = from;
  return metrics.map((value, round) => {
    replicas = hpa.next(value === undefined ? undefined : average(value), pods(replicas, replicas, round * everyMs));
    return replicas;
  });
}

const up = (behavior: object) => new HorizontalPodAutoscaler({ minReplicas: 1, maxReplicas: 100, behavior });

describe('behaviour', () => {
  it('scales up by the larger of its policies in each period', () => {
    const scaleUp = {
      policies: [
        { type: 'Percent', value: 100, periodSeconds: 15 },
        { type: 'Pods', value: 4, periodSeconds: 15 },
      ],
    } as const;
    expect(rounds(up({ scaleUp }), [80, 80, 80, 80, 80])).toEqual([5, 10, 20, 40, 80]);
    expect(rounds(up({ scaleUp: { ...scaleUp, selectPolicy: 'Min' } }), [80, 80, 80])).toEqual([2, 4, 8]);
    expect(rounds(up({ scaleUp: { selectPolicy: 'Disabled' } }), [80])).toEqual([1]);
    // Two rounds within one period share its limit.
    expect(rounds(up({ scaleUp }), [80, 80, 80, 80], { everyMs: 8_000 })).toEqual([5, 5, 10, 10]);
  });

  it('scales down by one pod a minute, after its stabilisation window', () => {
    const scaleDown = {
      stabilizationWindowSeconds: 300,
      policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }],
    } as const;
    const hpa = up({ scaleDown });
    // The metric asks for 4 pods once, then for 1: the 4 stay for five minutes.
    const after = rounds(hpa, [4, ...Array.from({ length: 34 }, () => 1)], { from: 4 });
    expect(after.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 4));
    expect(after.slice(20)).toEqual([3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1]);
  });

  it('scales up only after its stabilisation window, if there is one', () => {
    const scaleUp = {
      stabilizationWindowSeconds: 45,
      policies: [{ type: 'Pods', value: 9, periodSeconds: 15 }],
    } as const;
    expect(rounds(up({ scaleUp }), [1, 5, 5, 5, 5])).toEqual([1, 1, 1, 5, 5]);
  });

  it('keeps its limits, and keeps the pods while the metric cannot be read', () => {
    const hpa = new HorizontalPodAutoscaler({ minReplicas: 2, maxReplicas: 3 });
    expect(rounds(hpa, [50, undefined, 50])).toEqual([2, 2, 3]);
    expect(new HorizontalPodAutoscaler({ minReplicas: 1, maxReplicas: 3 }).next(average(5), pods(0))).toBe(0);
  });
});

describe('a metric of work that workers reduce', () => {
  /** Simulates 900 seconds of work; each ready worker does one second of it per second. Returns the pods per round. */
  function drain(metricOf: (work: number, ready: number, before: number) => HpaMetric): readonly number[] {
    const hpa = new HorizontalPodAutoscaler({ minReplicas: 1, maxReplicas: 50, behavior: { scaleUp: {} } });
    let [replicas, ready, before, work] = [1, 1, 1, 900];
    const seen: number[] = [];
    for (let round = 0; round < 12; round++) {
      replicas = hpa.next(metricOf(work, ready, before), pods(replicas, ready, round * 15_000));
      seen.push(replicas);
      work = Math.max(0, work - 15 * ready);
      before = ready;
      // Pods take one round to start.
      ready = Math.min(replicas, seen.at(-2) ?? 1);
    }
    return seen;
  }

  it('asks for the same pods as seconds of one worker (average) or of all ready workers (value)', () => {
    // 900 s of work at 30 s per worker need 30 workers, minus the work done meanwhile: no overshoot, no oscillation.
    const ofOne = drain((work) => average(work, 30));
    const ofAll = drain((work, ready) => total(work / ready, 30));
    expect(ofOne.slice(0, 4)).toEqual([5, 10, 20, 27]);
    expect(ofAll).toEqual(ofOne);
    expect(Math.max(...ofOne)).toBeLessThanOrEqual(30);
  });

  it('asks for too many pods if it is divided by an old count of workers, so the metric is in seconds of one worker', () => {
    expect(Math.max(...drain((work, _ready, before) => total(work / before, 30)))).toBeGreaterThan(40);
  });
});

describe('formulas', () => {
  it.each([
    ['(a + b) / 8 + c / 2', 2.5],
    ['a - -b * (c + 1)', 30],
    ['a\n + b', 12],
  ])('%s', (text, expected) => {
    expect(parseFormula(text).compute({ a: 2, b: 10, c: 2 })).toBeCloseTo(expected + (text.startsWith('a - ') ? 2 : 0));
  });

  it.each(['a +', '(a', 'a b', 'a > 1 ? 1 : 0', 'max(a)', ''])('refuses "%s"', (text) => {
    expect(() => parseFormula(text)).toThrow();
  });

  it('lists the names in a formula', () => {
    expect(parseFormula('(online_wait + x) / 8 + x').names).toEqual(['online_wait', 'x']);
    expect(() => parseFormula('a').compute({ b: 1 })).toThrow('a has no value');
  });
});
