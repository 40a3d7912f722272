import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from './allowances.ts';
import { check } from './checker.ts';
import { Caller } from './clients/caller.ts';
import { runClient, watchHealth } from './clients/run-client.ts';
import type { HistoryEvent } from './events.ts';
import { runFaults } from './faults.ts';
import type { Violation } from './history.ts';
import type { Plan } from './plan/plan.ts';
import { Recorder } from './recorder.ts';
import { recordLeftovers } from './system/leftovers.ts';
import { clearHome } from './system/store-setup.ts';
import { startSystem } from './system/system.ts';

/** What a run showed, and where its files are. */
export interface SeedResult {
  readonly plan: Plan;
  readonly events: readonly HistoryEvent[];
  readonly violations: readonly Violation[];
  /** Has `plan.json`, `history.jsonl`, `logs/` and, if there are violations, the blob store. */
  readonly home: string;
}

export interface RunOptions {
  /** Folder for the folders of runs. */
  readonly home: string;
}

/** After the clients' time everything has to end within this time, ms, before slack. Longer than every bound of the checker. */
const SETTLE_MS = LIMITS.endsMs.version + 30_000;
const GIVE_UP_MS = 60_000;

/** Runs a plan against a system of its own, and checks the history. */
export async function runPlan(plan: Plan, { home: parent }: RunOptions): Promise<SeedResult> {
  const home = join(parent, `seed-${plan.seed}`);
  await clearHome(home);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'plan.json'), JSON.stringify(plan));
  const recorder = new Recorder(join(home, 'history.jsonl'));
  const system = await startSystem({ plan, recorder, home, template: join(parent, 'registered') });
  try {
    await drive(plan, recorder, system);
  } finally {
    await system.stop();
    recorder.add({ type: 'end' });
    recorder.close();
  }
  const violations = check(recorder.events, plan.slack);
  if (violations.length === 0) await rm(join(home, 'store'), { recursive: true, force: true });
  return { plan, events: recorder.events, violations, home };
}

/** Checks the history in the folder of an earlier run. */
export function checkAgain(home: string): SeedResult {
  const plan = JSON.parse(readFileSync(join(home, 'plan.json'), 'utf8')) as Plan;
  const lines = readFileSync(join(home, 'history.jsonl'), 'utf8').trim().split('\n');
  const events = lines.map((line) => JSON.parse(line) as HistoryEvent);
  return { plan, events, violations: check(events, plan.slack), home };
}

async function drive(plan: Plan, recorder: Recorder, system: Awaited<ReturnType<typeof startSystem>>): Promise<void> {
  recorder.begin();
  const waiting = new AbortController();
  const watching = new AbortController();
  const caller = new Caller({
    url: system.api.url,
    recorder,
    giveUpMs: GIVE_UP_MS * plan.slack,
    signal: waiting.signal,
  });
  const health = watchHealth(caller, watching.signal);
  const faults = runFaults(system, recorder, plan.faults);
  const clients = plan.clients.map((client) => runClient(caller, recorder, client));
  const done = Promise.all([...clients, faults, delay(plan.forMs)]);
  const settled = new AbortController();
  // Clients stop waiting at last, so that a lost job does not hold up the run; the checker sees that it has not ended.
  const bound = delay(plan.forMs + SETTLE_MS * plan.slack, undefined, { signal: settled.signal })
    .then(() => waiting.abort())
    .catch(() => undefined);
  await done;
  settled.abort();
  await bound;
  await caller.readAllAgain();
  watching.abort();
  await health;
  await recordLeftovers(system, recorder, plan.slack);
}
