import { allowanceOf, partsOf, type FaultKind } from '../allowances.ts';
import type { Draw } from './draw.ts';
import type { FaultPlan, PlanOptions, SystemPlan } from './plan.ts';

/** Before the first fault and after the last one the system is left alone, in shares of the time. */
const QUIET = 0.08;
/** Pause between the beginnings of two faults, ms. Faults of different parts may overlap. A seed has many faults, or few. */
const PAUSES_MS = [
  [1_500, 6_000],
  [2_500, 9_000],
  [8_000, 20_000],
] as const;
/** How long a fault lasts, ms. */
const LASTS_MS = [400, 6_000] as const;

/** Faults of one part of the system do not overlap: the checker must know which fault explains what. */
export function drawFaults(draw: Draw, system: SystemPlan, { forMs, faults }: PlanOptions): FaultPlan[] {
  const possible = faults.filter((kind) => isPossible(kind, system));
  const planned: FaultPlan[] = [];
  const busyUntil = new Map<string, number>();
  const lastMs = forMs * (1 - QUIET);
  const [shortest, longestPause] = draw.pick(PAUSES_MS);
  const pause = (): number => draw.between(shortest, longestPause);
  for (let atMs = Math.round(forMs * QUIET) + draw.between(0, 2_000); atMs < lastMs; atMs += pause()) {
    const free = possible.filter((kind) => partsOf(kind).every((part) => (busyUntil.get(part) ?? 0) <= atMs));
    const longest = Math.min(LASTS_MS[1], Math.round(lastMs - atMs));
    if (free.length === 0 || longest < LASTS_MS[0]) continue;
    const kind = draw.pick(free);
    const forMs = draw.between(LASTS_MS[0], longest);
    const process = processOf(draw, kind, system);
    for (const part of partsOf(kind)) busyUntil.set(part, atMs + forMs + 3_000);
    planned.push({
      id: `fault-${planned.length + 1}`,
      kind,
      ...(process === undefined ? {} : { process }),
      atMs,
      forMs,
      size: draw.between(20, 400),
    });
  }
  return planned;
}

function isPossible(kind: FaultKind, { redis, disk }: SystemPlan): boolean {
  const { target } = allowanceOf(kind);
  if (kind === 'disk-full') return disk === 'small';
  if (kind === 'failover') return redis === 'sentinels';
  // With Sentinels the processes find Redis by themselves: no proxy is in between, and Sentinels react to a Redis that is away.
  if (target === 'network' || target === 'redis') return redis === 'single';
  return true;
}

function processOf(draw: Draw, kind: FaultKind, { workers }: SystemPlan): string | undefined {
  const { target } = allowanceOf(kind);
  if (target === 'worker') return `worker-${draw.between(1, workers)}`;
  if (target === 'api') return 'api';
  return target === 'redis' && kind !== 'failover' ? 'redis-1' : undefined;
}
