import type { Count } from '../../test/scaling/fleet.ts';
import type { TraceResults } from '../../test/scaling/load-trace.ts';
import { quantile } from '../support/stack.ts';

/** The number of workers that are needed from a time on. */
export interface Demand {
  readonly atMs: number;
  readonly workers: number;
}

/** The figures of one form of scaling. Seconds are in the ScaledObject's time, except waits, which are in real time. */
export interface ScalingFigures {
  readonly name: string;
  /** From the start of each burst until enough workers were asked for, and were ready; Infinity if that never happened. */
  readonly secondsToScale: readonly { readonly asked: number; readonly ready: number }[];
  readonly peak: number;
  /** Worker-seconds that were needed, that were missing, and that were not needed. */
  readonly needed: number;
  readonly under: number;
  readonly over: number;
  readonly p50WaitMs: number;
  readonly p99WaitMs: number;
  readonly batchSeconds: readonly number[];
  readonly requests: number;
  readonly lost: number;
  readonly doubled: number;
  readonly scaleIns: number;
  readonly exits: readonly (number | null)[];
}

/** Areas between needed and present workers. Missing workers are counted from ready ones, surplus workers from all that run. */
export function provisioning(
  demand: readonly Demand[],
  counts: readonly Count[],
): { needed: number; under: number; over: number } {
  const total = { needed: 0, under: 0, over: 0 };
  for (const [index, { atMs, workers }] of demand.entries()) {
    const until = demand[index + 1]?.atMs;
    if (until === undefined) break;
    const seconds = (until - atMs) / 1_000;
    const now = counts.findLast((count) => count.atMs <= atMs) ?? { replicas: 0, readyReplicas: 0 };
    total.needed += workers * seconds;
    total.under += Math.max(0, workers - now.readyReplicas) * seconds;
    total.over += Math.max(0, now.replicas - workers) * seconds;
  }
  return total;
}

/** From a time until there were this many workers, ms. */
export function timeToScale(
  counts: readonly Count[],
  { fromMs, workers, of }: { fromMs: number; workers: number; of: 'replicas' | 'readyReplicas' },
): number {
  if ((counts.findLast(({ atMs }) => atMs < fromMs)?.[of] ?? 0) >= workers) return 0;
  const enough = counts.find((count) => count.atMs >= fromMs && count[of] >= workers);
  return enough === undefined ? Infinity : enough.atMs - fromMs;
}

/** Waits and losses in the results of a trace. */
export function outcomeOf({
  requests,
  batches,
}: TraceResults): Pick<ScalingFigures, 'p50WaitMs' | 'p99WaitMs' | 'batchSeconds' | 'requests' | 'lost' | 'doubled'> {
  const waits = requests.map(({ waitMs }) => waitMs);
  return {
    p50WaitMs: quantile(waits, 0.5),
    p99WaitMs: quantile(waits, 0.99),
    batchSeconds: batches.map(({ seconds }) => seconds),
    requests: requests.length,
    lost:
      requests.filter(({ failed }) => failed !== undefined).length +
      batches.reduce((sum, { lost, status }) => sum + lost + (status === 'completed' ? 0 : 1), 0),
    doubled: batches.reduce((sum, { doubled, inOrder }) => sum + doubled + (inOrder ? 0 : 1), 0),
  };
}

export function reportOf(figures: readonly ScalingFigures[]): string {
  const head = [
    'scaled by',
    'asked for → ready s',
    'peak',
    'needed',
    'missing',
    'too many',
    'p50 wait ms',
    'p99 wait ms',
    'batch s',
    'lost',
    'doubled',
    'scale-ins, exits ≠ 0',
  ];
  const rows = figures.map((own) => [
    own.name,
    own.secondsToScale.map(({ asked, ready }) => `${secondsOf(asked)} → ${secondsOf(ready)}`).join(', '),
    own.peak,
    own.needed.toFixed(0),
    `${own.under.toFixed(0)} (${share(own.under, own.needed)})`,
    `${own.over.toFixed(0)} (${share(own.over, own.needed)})`,
    own.p50WaitMs.toFixed(0),
    own.p99WaitMs.toFixed(0),
    own.batchSeconds.map((seconds) => seconds.toFixed(0)).join(', '),
    `${own.lost} of ${own.requests} and ${own.batchSeconds.length} batches`,
    own.doubled,
    `${own.scaleIns}, ${own.exits.filter((code) => code !== 0).length}`,
  ]);
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n');
}

function secondsOf(seconds: number): string {
  return Number.isFinite(seconds) ? seconds.toFixed(0) : 'never';
}

function share(part: number, whole: number): string {
  return `${Math.round((100 * part) / whole)} %`;
}
