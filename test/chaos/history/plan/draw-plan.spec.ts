import { expect, it } from 'vitest';
import { FAULT_KINDS, partsOf } from '../allowances.ts';
import { POISON_NAMES } from '../poisons.ts';
import { drawPlan } from './draw-plan.ts';

const options = { forMs: 60_000, slack: 1, faults: FAULT_KINDS, poisons: POISON_NAMES };
const plans = Array.from({ length: 100 }, (_, seed) => drawPlan({ ...options, seed }));

it('a seed always gives the same plan, and another seed another one', () => {
  expect(drawPlan({ ...options, seed: 7 })).toEqual(plans[7]);
  expect(plans[8]?.faults).not.toEqual(plans[7]?.faults);
});

it('a hundred seeds have every fault and every poison', () => {
  const faults = new Set(plans.flatMap((plan) => plan.faults.map(({ kind }) => kind)));
  expect(FAULT_KINDS.filter((kind) => !faults.has(kind))).toEqual([]);
  const steps = plans.flatMap((plan) => plan.clients.flatMap((client) => client.steps));
  const poisons = new Set(steps.map((step) => (step.do === 'poison' ? step.poison : undefined)));
  expect(POISON_NAMES.filter((name) => !poisons.has(name))).toEqual([]);
});

it('faults of one part of the system do not overlap, and all end in time', () => {
  for (const { faults, forMs } of plans) {
    for (const [index, fault] of faults.entries()) {
      expect(fault.atMs + fault.forMs).toBeLessThan(forMs);
      const parts = partsOf(fault.kind);
      const next = faults.slice(index + 1).find(({ kind }) => partsOf(kind).some((part) => parts.includes(part)));
      if (next !== undefined) expect(next.atMs).toBeGreaterThan(fault.atMs + fault.forMs);
    }
  }
});

it('only the faults and poisons that were asked for are drawn', () => {
  const { faults, clients } = drawPlan({ ...options, seed: 3, faults: ['kill-api'], poisons: ['deep-json'] });
  expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(['kill-api']));
  const poisons = clients.flatMap(({ steps }) => steps.flatMap((step) => (step.do === 'poison' ? step.poison : [])));
  expect(new Set(poisons)).toEqual(new Set(['deep-json']));
});
