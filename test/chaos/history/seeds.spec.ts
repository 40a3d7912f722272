import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { FAULT_KINDS } from './allowances.ts';
import { drawPlan } from './plan/draw-plan.ts';
import { POISON_NAMES, poisonNamed } from './poisons.ts';
import { reportOf } from './report.ts';
import { runPlan } from './run-seed.ts';

// A few short seeds. `npm run chaos` runs many long ones. The files of a seed with a violation are kept; its report says where.

const FOR_MS = 5_000;
/** CI's machines are busy. */
const SLACK = 4;
const LIMIT_MS = 400_000;

const home = mkdtempSync(join(tmpdir(), 'sconce-chaos-'));
let failed = 0;
afterAll(() => {
  if (failed === 0) rmSync(home, { recursive: true, force: true });
});

it.each([
  ['late replies, then Redis dies', 21],
  ['Redis is read-only, then a worker dies', 24],
])(
  'a short seed has no violation: %s',
  async (_, seed) => {
    const plan = drawPlan({
      seed,
      forMs: FOR_MS,
      slack: SLACK,
      faults: FAULT_KINDS,
      poisons: POISON_NAMES.filter((name) => poisonNamed(name)?.byDefault),
    });
    failed += 1;
    const result = await runPlan(plan, { home });
    expect(result.violations, reportOf(result)).toEqual([]);
    failed -= 1;
  },
  LIMIT_MS,
);
