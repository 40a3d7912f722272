import type { Op } from '../history.ts';
import { eventsOf, isSuccess, windowsIn, type History, type Violation } from '../history.ts';
import { poisonNamed } from '../poisons.ts';
import type { OpKind, Outcome } from '../events.ts';

/** A failover takes back what happened in so long before it, at most, ms. */
const REWOUND_MS = 5_000;

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
  // The key does not run the job a second time.
  'job.again': [422],
};

/** Nobody is charged for a fault that is not theirs: an error is one of the caller's own input, or a fault of that time explains it. */
export function checkOutcomes(history: History): Violation[] {
  return history.ops.flatMap((op): Violation[] => {
    const { invoke, answer } = op;
    if (answer === undefined) return [];
    if (invoke.kind === 'peek' && isSuccess(answer)) {
      return [{ rule: 'owner', what: `${invoke.owner} reads ${invoke.thing} of another owner`, events: eventsOf(op) }];
    }
    if (invoke.kind === 'job.again' && isSuccess(answer) && !mayBeRewound(history, op)) {
      return [{ rule: 'ran again', what: `${invoke.thing} was removed, and its key ran again`, events: eventsOf(op) }];
    }
    if (isExplained(history, op, answer.outcome)) return [];
    const charged = invoke.poison === undefined ? 'charged' : 'poison';
    const what = `${invoke.kind} ${invoke.op} ended with ${answer.outcome}, and nothing explains it`;
    return [{ rule: charged, what, events: eventsOf(op) }];
  });
}

/** Whether a failover may have taken back that the job was removed. */
function mayBeRewound(history: History, { invoke, answer }: Op): boolean {
  const from = history.removals.get(invoke.thing ?? '') ?? invoke.at;
  return windowsIn(history, from - REWOUND_MS, answer?.at ?? Infinity).some(({ allowance }) => allowance.rewinds);
}

/** Whether a submission was refused because replicas do not have it yet. They need longer than callers to find their primary (ADR 37). */
function isWithoutReplicas(history: History, { invoke, answer }: Op): boolean {
  if (answer?.outcome !== 503 || !/\d of \d+ replicas/.test(answer.message ?? '')) return false;
  return windowsIn(history, invoke.at, answer.at).some(({ allowance }) => allowance.target === 'redis');
}

function isExplained(history: History, op: Op, outcome: Outcome): boolean {
  const { invoke, answer } = op;
  const poison = invoke.poison === undefined ? undefined : poisonNamed(invoke.poison);
  const own = poison?.outcomes ?? EXPECTED[invoke.kind] ?? [];
  if (poison === undefined && isSuccess(answer)) return true;
  if (own.includes(outcome)) return true;
  const isGone = outcome === 404 || (outcome === 422 && invoke.kind === 'job.submit');
  if (isGone && (history.removals.get(invoke.thing ?? '') ?? Infinity) <= (answer?.at ?? 0)) return true;
  if (isWithoutReplicas(history, op)) return true;
  const until = answer?.at ?? Infinity;
  return windowsIn(history, invoke.at, until).some(
    ({ allowance: { outcomes, calls }, errorsUntil }) =>
      errorsUntil >= invoke.at && outcomes.includes(outcome) && (calls?.includes(invoke.kind) ?? true),
  );
}
