import type { Op } from '../history.ts';
import { eventsOf, isSuccess, windowsIn, type History, type Violation } from '../history.ts';
import { poisonNamed } from '../poisons.ts';
import type { OpKind, Outcome } from '../events.ts';

/** Refusals that say what is the case, and that a client of this harness provokes on purpose. */
const EXPECTED: Readonly<Partial<Record<OpKind, readonly Outcome[]>>> = {
  // Another owner's job does not exist for the one who looks.
  peek: [404],
  // Version 1 serves, and cannot be removed; or it was removed before.
  'version.delete': [404, 409],
  // `checkEndings` says of what was accepted and is not known any more that it is lost.
  'job.read': [404],
  'batch.read': [404],
  'version.read': [404],
  // The job has been cancelled, or it failed on poison.
  'job.result': [409],
};

/** Nobody is charged for a fault that is not theirs: an error is one of the caller's own input, or a fault of that time explains it. */
export function checkOutcomes(history: History): Violation[] {
  return history.ops.flatMap((op): Violation[] => {
    const { invoke, answer } = op;
    if (answer === undefined) return [];
    if (invoke.kind === 'peek' && isSuccess(answer)) {
      return [{ rule: 'owner', what: `${invoke.owner} reads ${invoke.thing} of another owner`, events: eventsOf(op) }];
    }
    if (isExplained(history, op, answer.outcome)) return [];
    const charged = invoke.poison === undefined ? 'charged' : 'poison';
    const what = `${invoke.kind} ${invoke.op} ended with ${answer.outcome}, and nothing explains it`;
    return [{ rule: charged, what, events: eventsOf(op) }];
  });
}

function isExplained(history: History, op: Op, outcome: Outcome): boolean {
  const { invoke, answer } = op;
  const poison = invoke.poison === undefined ? undefined : poisonNamed(invoke.poison);
  const own = poison?.outcomes ?? EXPECTED[invoke.kind] ?? [];
  if (poison === undefined && isSuccess(answer)) return true;
  if (own.includes(outcome)) return true;
  if (outcome === 404 && (history.removals.get(invoke.thing ?? '') ?? Infinity) <= (answer?.at ?? 0)) return true;
  const until = answer?.at ?? Infinity;
  return windowsIn(history, invoke.at, until).some(
    ({ allowance: { outcomes, calls }, errorsUntil }) =>
      errorsUntil >= invoke.at && outcomes.includes(outcome) && (calls?.includes(invoke.kind) ?? true),
  );
}
