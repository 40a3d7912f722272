import type { HistoryEvent } from './events.ts';
import type { Violation } from './history.ts';
import type { SeedResult } from './run-seed.ts';

/** Violations of one rule that are shown in full. */
const SHOWN = 5;
const MAX_LINE = 400;

/** What a run did and what it showed, for a person. */
export function reportOf({ plan, events, violations, home }: SeedResult): string {
  const { redis, disk } = plan.system;
  const lines = [
    `seed ${plan.seed}: ${plan.forMs / 1_000} s, Redis ${redis}, disk ${disk}, slack ${plan.slack}`,
    `  faults: ${faultsOf(events)}`,
    `  calls: ${callsOf(events)}`,
    `  memory: ${memoryOf(events)}`,
  ];
  if (violations.length === 0) return [...lines, '  no violation'].join('\n');
  return [
    ...lines,
    `  ${violations.length} violations:`,
    ...byRule(violations).flatMap(([rule, own]) => [
      ...own.slice(0, SHOWN).flatMap((violation) => shown(violation)),
      ...(own.length > SHOWN ? [`    ${own.length - SHOWN} more of the rule "${rule}"`] : []),
    ]),
    `  history, plan and logs: ${home}`,
    `  again: npm run chaos -- --plan ${home}/plan.json`,
  ].join('\n');
}

function shown({ rule, what, events }: Violation): string[] {
  return [`    ${rule}: ${what}`, ...events.map((event) => `      ${JSON.stringify(event).slice(0, MAX_LINE)}`)];
}

function byRule(violations: readonly Violation[]): [string, readonly Violation[]][] {
  return [...new Set(violations.map(({ rule }) => rule))].map((rule) => [
    rule,
    violations.filter((violation) => violation.rule === rule),
  ]);
}

function faultsOf(events: readonly HistoryEvent[]): string {
  const drawn = events.filter((event) => event.type === 'fault').filter(({ fault }) => !fault.startsWith('stop-of-'));
  const seconds = (at: number): string => (at / 1_000).toFixed(1);
  const texts = drawn
    .filter(({ phase }) => phase === 'begin')
    .map((fault) => {
      const end = drawn.find((other) => other.fault === fault.fault && other.phase !== 'begin');
      const span = end?.phase === 'skipped' ? 'skipped' : `${seconds(fault.at)} to ${seconds(end?.at ?? NaN)} s`;
      return `${fault.kind}${fault.process === undefined ? '' : ` ${fault.process}`} (${span})`;
    });
  return texts.length === 0 ? 'none' : texts.join(', ');
}

/** Calls by kind and outcome; calls with poison by its name. */
function callsOf(events: readonly HistoryEvent[]): string {
  const counts = new Map<string, Map<string, number>>();
  const kinds = new Map<string, string>();
  for (const event of events) {
    if (event.type === 'invoke') kinds.set(event.op, event.poison ?? event.kind);
    if (event.type !== 'answer') continue;
    const own = counts.get(kinds.get(event.op) ?? '') ?? new Map<string, number>();
    own.set(String(event.outcome), (own.get(String(event.outcome)) ?? 0) + 1);
    counts.set(kinds.get(event.op) ?? '', own);
  }
  return [...counts]
    .map(([kind, own]) => `${kind} ${[...own].map(([outcome, count]) => `${count} × ${outcome}`).join(', ')}`)
    .join('; ');
}

function memoryOf(events: readonly HistoryEvent[]): string {
  const most = new Map<string, number>();
  for (const event of events) {
    if (event.type === 'sample') most.set(event.process, Math.max(most.get(event.process) ?? 0, event.rssBytes));
  }
  return [...most].map(([process, bytes]) => `${process} ${Math.round(bytes / 1024 ** 2)} MiB`).join(', ');
}
