import { LIMITS } from '../allowances.ts';
import {
  eventsOf,
  isFinal,
  isSuccess,
  latestEnd,
  windowsIn,
  type History,
  type Op,
  type Thing,
  type Violation,
} from '../history.ts';

/** Everything accepted ends exactly once, in time, and nothing ends badly because of a fault. */
export function checkEndings(history: History): Violation[] {
  return history.things.flatMap((thing) => [
    ...checkOneId(thing),
    ...checkEnd(history, thing),
    ...checkStaysEnded(history, thing),
    ...checkGoodEnd(thing),
    ...checkOneResult(history, thing),
  ]);
}

const seen = (thing: Thing): Op[] => thing.ops.filter(({ invoke: { kind } }) => kind !== 'peek');
const stated = (thing: Thing): Op[] =>
  seen(thing).filter(({ answer }) => isSuccess(answer) && answer.state !== undefined);
const events = (ops: readonly Op[]): Violation['events'] => ops.flatMap(eventsOf);

/** Repetitions of a submission with one Idempotency-Key are one thing. */
function checkOneId(thing: Thing): Violation[] {
  const named = thing.ops.filter(({ answer }) => isSuccess(answer) && answer.id !== undefined);
  const ids = new Set(named.map(({ answer }) => answer?.id));
  if (ids.size <= 1) return [];
  return [{ rule: 'accepted twice', what: `${thing.name} has the ids ${[...ids].join(', ')}`, events: events(named) }];
}

function checkEnd(history: History, thing: Thing): Violation[] {
  const gone = seen(thing).find(
    ({ invoke, answer }) =>
      answer?.outcome === 404 && invoke.at >= thing.acceptedAt && !wasRemoved(history, thing, answer.at),
  );
  const accepted = events(thing.ops.slice(0, 1));
  if (gone !== undefined) {
    return [
      {
        rule: 'lost',
        what: `${thing.name} was accepted and is not known any more`,
        events: [...accepted, ...eventsOf(gone)],
      },
    ];
  }
  const latest = latestEnd(history, thing.acceptedAt, LIMITS.endsMs[thing.kind]);
  const end = stated(thing).find(({ answer }) => isFinal(thing.kind, answer?.state));
  if (end === undefined) {
    // The client stopped reading earlier: nothing is known.
    if (history.endedAt < latest) return [];
    return [
      {
        rule: 'lost',
        what: `${thing.name} was accepted and has not ended`,
        events: events(thing.ops.slice(0, 1).concat(thing.ops.slice(-1))),
      },
    ];
  }
  const late = (end.answer?.at ?? 0) - latest;
  if (late <= 0 || pollGap(thing, end, latest)) return [];
  return [
    {
      rule: 'late',
      what: `${thing.name} ended ${Math.ceil(late)} ms too late`,
      events: [...accepted, ...eventsOf(end)],
    },
  ];
}

/** Whether no read in time could have shown the end: reads failed, or the client read again only later. */
function pollGap(thing: Thing, end: Op, latest: number): boolean {
  const before = stated(thing).findLast(({ answer }) => (answer?.at ?? Infinity) < (end.answer?.at ?? 0));
  return before === undefined || (before.answer?.at ?? 0) < latest;
}

const wasRemoved = ({ removals }: History, { name }: Thing, at: number): boolean =>
  (removals.get(name) ?? Infinity) <= at;

/** A final state is not left. */
function checkStaysEnded(history: History, thing: Thing): Violation[] {
  const reads = stated(thing);
  const first = reads.find(({ answer }) => isFinal(thing.kind, answer?.state));
  if (first?.answer === undefined) return [];
  const at = first.answer.at;
  const changed = reads.find(({ invoke, answer }) => invoke.at > at && answer?.state !== first.answer?.state);
  // A submission with the key of a job that its owner removed is a new one, with the same id.
  if (changed === undefined || wasRemoved(history, thing, changed.answer?.at ?? 0)) return [];
  const rewound = windowsIn(history, at - 5_000, changed.answer?.at ?? at).some(({ allowance }) => allowance.rewinds);
  const same = reads.at(-1)?.answer?.state === first.answer.state;
  if (rewound && same) return [];
  const what = `${thing.name} was ${first.answer.state}, and then ${changed.answer?.state}`;
  return [{ rule: 'ended twice', what, events: [...eventsOf(first), ...eventsOf(changed)] }];
}

/** Only poison fails, and only what somebody cancelled is cancelled. */
function checkGoodEnd(thing: Thing): Violation[] {
  if (thing.ops.some(({ invoke }) => invoke.poison !== undefined)) return [];
  const cancelled = thing.ops.some(({ invoke }) => invoke.kind === 'job.cancel' || invoke.kind === 'batch.cancel');
  const bad = stated(thing).find(
    ({ answer }) =>
      answer?.state === 'failed' || answer?.state === 'expired' || (answer?.state === 'cancelled' && !cancelled),
  );
  if (bad === undefined) return [];
  const { state, code = 'no code' } = bad.answer ?? {};
  return [
    { rule: 'charged', what: `${thing.name} is ${state} (${code}), and its input was good`, events: eventsOf(bad) },
  ];
}

/** The result of a thing is the same whenever somebody reads it. */
function checkOneResult(_history: History, thing: Thing): Violation[] {
  const results = thing.ops.filter(({ answer }) => isSuccess(answer) && answer.outputs !== undefined);
  const [first] = results;
  const other = results.find(
    ({ answer }) => JSON.stringify(answer?.outputs) !== JSON.stringify(first?.answer?.outputs),
  );
  if (first === undefined || other === undefined) return [];
  return [
    { rule: 'answered twice', what: `${thing.name} has two results`, events: [...eventsOf(first), ...eventsOf(other)] },
  ];
}
