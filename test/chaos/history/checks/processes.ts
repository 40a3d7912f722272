import { LIMITS } from '../allowances.ts';
import type { ProcessEvent, SampleEvent } from '../events.ts';
import { windowsIn, type History, type Violation } from '../history.ts';
import { poisonNamed } from '../poisons.ts';

/** Processes end only by a fault or by poison that may end a worker, and stay inside their memory. Nothing is left in the queues. */
export function checkProcesses(history: History): Violation[] {
  return [...checkExits(history), ...checkMemory(history), ...checkLeft(history)];
}

function checkExits(history: History): Violation[] {
  const exits = history.events.filter((event) => event.type === 'process').filter(({ phase }) => phase === 'exit');
  const unexplained = exits.filter((exit) => !isExplained(history, exit));
  const workers = unexplained.filter(({ process }) => kindOf(process) === 'worker');
  const allowed = poisonExits(history);
  return unexplained
    .filter((exit) => !workers.slice(0, allowed).includes(exit))
    .map((exit) => ({
      rule: 'process ended',
      what: `${exit.process} ended with ${exit.signal ?? `code ${exit.code}`}, and no fault explains it`,
      events: [exit],
    }));
}

function isExplained(history: History, { process, at, code, signal }: ProcessEvent): boolean {
  return windowsIn(history, at, at).some(({ fault, allowance: { exit } }) => {
    if (fault.process !== process || exit === undefined) return false;
    return exit.code === (code ?? null) && exit.signal === (signal ?? null);
  });
}

/** Workers that poison may have ended: each poison once, whoever sends it. */
function poisonExits({ ops }: History): number {
  const sent = new Set(ops.flatMap(({ invoke: { poison } }) => poison ?? []));
  return [...sent].reduce((sum, name) => sum + (poisonNamed(name)?.workerExits ?? 0), 0);
}

function checkMemory({ events }: History): Violation[] {
  const most = new Map<string, SampleEvent>();
  for (const event of events) {
    if (event.type !== 'sample' || event.rssBytes <= (most.get(event.process)?.rssBytes ?? 0)) continue;
    most.set(event.process, event);
  }
  return [...most.values()].flatMap((sample) => {
    const limit = LIMITS.memoryBytes[kindOf(sample.process)];
    if (sample.rssBytes <= limit) return [];
    const mib = (bytes: number): number => Math.round(bytes / 1024 ** 2);
    const what = `${sample.process} took ${mib(sample.rssBytes)} MiB, its limit is ${mib(limit)} MiB`;
    return [{ rule: 'memory', what, events: [sample] }];
  });
}

function checkLeft({ events }: History): Violation[] {
  return events
    .filter((event) => event.type === 'left')
    .filter(({ count }) => count > 0)
    .map((event) => ({ rule: 'left', what: `${event.where} still has ${event.count}`, events: [event] }));
}

function kindOf(process: string): keyof typeof LIMITS.memoryBytes {
  if (process.startsWith('api')) return 'api';
  return process.startsWith('redis') ? 'redis' : 'worker';
}
