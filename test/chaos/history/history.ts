import {
  ACCEPTING,
  ERRORS_END_MS,
  FINAL_STATES,
  allowanceOf,
  type FaultAllowance,
  type ThingKind,
} from './allowances.ts';
import type { AnswerEvent, FaultEvent, HistoryEvent, InvokeEvent, OpKind } from './events.ts';

/** A call and its answer. A call without an answer is hung. */
export interface Op {
  readonly invoke: InvokeEvent;
  readonly answer: AnswerEvent | undefined;
}

/** The time in which a fault explains what happens. */
export interface Window {
  readonly fault: FaultEvent;
  readonly allowance: FaultAllowance;
  readonly from: number;
  /** The end of the fault and of its recovery: until then it explains delays. */
  readonly until: number;
  /** Until then it explains errors. */
  readonly errorsUntil: number;
}

/** A job, batch or version that the server accepted, with all calls about it in order. */
export interface Thing {
  readonly name: string;
  readonly kind: ThingKind;
  readonly acceptedAt: number;
  readonly ops: readonly Op[];
}

/** A history, with the relations between its events. */
export interface History {
  readonly events: readonly HistoryEvent[];
  readonly ops: readonly Op[];
  readonly windows: readonly Window[];
  readonly things: readonly Thing[];
  /** When somebody first asked to cancel or remove a thing. From then on it may be unknown. */
  readonly removals: ReadonlyMap<string, number>;
  readonly endedAt: number;
  readonly slack: number;
}

/** Something that must not be in a history, with the events that show it. */
export interface Violation {
  readonly rule: string;
  readonly what: string;
  readonly events: readonly HistoryEvent[];
}

/** Relates the events of a history. `slack` multiplies all bounds of time, for busy machines. */
export function readHistory(events: readonly HistoryEvent[], slack = 1): History {
  const answers = new Map<string, AnswerEvent>();
  for (const event of events) if (event.type === 'answer') answers.set(event.op, event);
  const ops = events
    .filter((event) => event.type === 'invoke')
    .map((invoke) => ({ invoke, answer: answers.get(invoke.op) }));
  const endedAt = Math.max(0, ...events.slice(-1).map(({ at }) => at));
  return {
    events,
    ops,
    windows: windowsOf(events, slack),
    things: thingsOf(ops),
    removals: removalsOf(ops),
    endedAt,
    slack,
  };
}

function windowsOf(events: readonly HistoryEvent[], slack: number): Window[] {
  const faults = events.filter((event) => event.type === 'fault');
  return faults
    .filter(({ phase }) => phase === 'begin')
    .map((fault) => {
      const allowance = allowanceOf(fault.kind);
      const end = faults.find((other) => other.fault === fault.fault && other.phase === 'end');
      const endAt = end?.at ?? Infinity;
      return {
        fault,
        allowance,
        from: fault.at,
        until: endAt + allowance.recoveryMs * slack,
        errorsUntil: endAt + ERRORS_END_MS * slack,
      };
    })
    .sort((a, b) => a.from - b.from);
}

function thingsOf(ops: readonly Op[]): Thing[] {
  const byName = new Map<string, Op[]>();
  for (const op of ops) {
    const { thing } = op.invoke;
    if (thing !== undefined) byName.set(thing, [...(byName.get(thing) ?? []), op]);
  }
  return [...byName].flatMap(([name, own]) => {
    const accepted = own.find(({ invoke, answer }) => kindOf(invoke.kind) !== undefined && isSuccess(answer));
    const kind = accepted === undefined ? undefined : kindOf(accepted.invoke.kind);
    if (accepted?.answer === undefined || kind === undefined) return [];
    return [{ name, kind, acceptedAt: accepted.answer.at, ops: own }];
  });
}

function removalsOf(ops: readonly Op[]): Map<string, number> {
  const removals = new Map<string, number>();
  for (const { invoke } of ops) {
    const removes = invoke.kind === 'job.cancel' || invoke.kind === 'version.delete';
    if (removes && invoke.thing !== undefined && !removals.has(invoke.thing)) removals.set(invoke.thing, invoke.at);
  }
  return removals;
}

function kindOf(kind: OpKind): ThingKind | undefined {
  return Object.entries(ACCEPTING).find(([own]) => own === kind)?.[1];
}

/** Whether the server did what was asked. */
export function isSuccess(answer: AnswerEvent | undefined): answer is AnswerEvent {
  return typeof answer?.outcome === 'number' && answer.outcome >= 200 && answer.outcome < 300;
}

/** Whether a thing of this kind does not leave this state. */
export function isFinal(kind: ThingKind, state: string | undefined): boolean {
  const states: readonly string[] = FINAL_STATES[kind];
  return state !== undefined && states.includes(state);
}

/** The windows that a span of time touches. */
export function windowsIn(history: History, from: number, until: number): Window[] {
  return history.windows.filter((window) => window.from <= until && window.until >= from);
}

/**
 * The latest time at which something may end that began at `from` and takes at most `boundMs` without faults. A fault before that time
 * moves it to the end of the fault's window and the bound behind it.
 */
export function latestEnd(history: History, from: number, boundMs: number): number {
  const bound = boundMs * history.slack;
  let latest = from + bound;
  for (const window of history.windows) {
    if (window.allowance.delays && window.from <= latest && window.until >= from) {
      latest = Math.max(latest, window.until + bound);
    }
  }
  return latest;
}

/** The events of a call, for a violation. */
export function eventsOf({ invoke, answer }: Op): HistoryEvent[] {
  return answer === undefined ? [invoke] : [invoke, answer];
}
