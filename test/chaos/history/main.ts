import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FAULT_KINDS, type FaultKind } from './allowances.ts';
import { drawPlan } from './plan/draw-plan.ts';
import type { Plan } from './plan/plan.ts';
import { POISON_NAMES, poisonNamed, type PoisonName } from './poisons.ts';
import { reportOf } from './report.ts';
import { checkAgain, runPlan } from './run-seed.ts';

// `npm run chaos`: runs seeds one after the other. Exit code 1 if one of them has a violation, 2 for a wrong option.

const USAGE = `npm run chaos -- [options]
  --seeds N         how many seeds (1)
  --seed N          the first seed (1)
  --minutes M       time in which clients call, for each seed (1)
  --slack F         multiplies all bounds of time, for a busy machine (1)
  --without A,B     faults and poison inputs that are not drawn
  --with A,B        poison inputs that are not drawn by default
  --only A,B        these faults and poison inputs alone
  --redis single|sentinels, --disk plain|small
  --plan FILE       runs a saved plan
  --check FOLDER    runs nothing, and checks the history of an earlier run again
  --home FOLDER     where histories and logs go
faults: ${FAULT_KINDS.join(', ')}
poison: ${POISON_NAMES.join(', ')}`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '1' },
    slack: { type: 'string', default: '1' },
    without: { type: 'string', default: '' },
    with: { type: 'string', default: '' },
    only: { type: 'string' },
    redis: { type: 'string' },
    disk: { type: 'string' },
    plan: { type: 'string' },
    check: { type: 'string' },
    home: { type: 'string', default: join(tmpdir(), 'sconce-chaos') },
    help: { type: 'boolean', default: false },
  },
});

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const refuse = (why: string): never => {
  process.stderr.write(`${why}\n${USAGE}\n`);
  process.exit(2);
};

function number(name: 'seeds' | 'seed' | 'minutes' | 'slack'): number {
  const value = Number(values[name]);
  return Number.isFinite(value) && value > 0
    ? value
    : refuse(`--${name} takes a number above 0, not "${values[name]}"`);
}

function names(text: string): Set<string> {
  const list = text.split(',').filter((name) => name !== '');
  const known: readonly string[] = [...FAULT_KINDS, ...POISON_NAMES];
  const unknown = list.find((name) => !known.includes(name));
  return unknown === undefined ? new Set(list) : refuse(`there is no fault or poison "${unknown}"`);
}

function drawn(): { faults: FaultKind[]; poisons: PoisonName[] } {
  const [without, also] = [names(values.without), names(values.with)];
  const only = values.only === undefined ? undefined : names(values.only);
  const isDrawn = (name: string, byDefault: boolean): boolean =>
    !without.has(name) && (only === undefined ? byDefault || also.has(name) : only.has(name));
  return {
    faults: FAULT_KINDS.filter((kind) => isDrawn(kind, true)),
    poisons: POISON_NAMES.filter((name) => isDrawn(name, poisonNamed(name)?.byDefault ?? false)),
  };
}

function choice<T extends string>(name: 'redis' | 'disk', choices: readonly T[]): Record<string, T> {
  const value = values[name];
  if (value === undefined) return {};
  const chosen = choices.find((each) => each === value);
  return chosen === undefined ? refuse(`--${name} is one of ${choices.join(', ')}`) : { [name]: chosen };
}

function readPlan(path: string): Plan {
  return JSON.parse(readFileSync(path, 'utf8')) as Plan;
}

function plansOf(): Plan[] {
  if (values.plan !== undefined) return [readPlan(values.plan)];
  const [first, count] = [number('seed'), number('seeds')];
  const options = {
    forMs: Math.round(number('minutes') * 60_000),
    slack: number('slack'),
    ...drawn(),
    system: { ...choice('redis', ['single', 'sentinels']), ...choice('disk', ['plain', 'small']) },
  };
  return Array.from({ length: count }, (_, index) => drawPlan({ ...options, seed: first + index }));
}

if (values.help) {
  print(USAGE);
  process.exit(0);
}
mkdirSync(values.home, { recursive: true });
const failed: number[] = [];
const plans = values.check === undefined ? plansOf() : [readPlan(join(values.check, 'plan.json'))];
for (const plan of plans) {
  try {
    const result = values.check === undefined ? await runPlan(plan, { home: values.home }) : checkAgain(values.check);
    const report = reportOf(result);
    writeFileSync(join(result.home, 'report.txt'), `${report}\n`);
    print(report);
    if (result.violations.length > 0) failed.push(plan.seed);
  } catch (error) {
    failed.push(plan.seed);
    print(`seed ${plan.seed}: the run ended with ${error instanceof Error ? error.stack : String(error)}`);
  }
}
print(failed.length === 0 ? 'no seed has a violation' : `seeds with violations: ${failed.join(', ')}`);
// Connections of clients that gave up may still be open.
process.exit(failed.length === 0 ? 0 : 1);
