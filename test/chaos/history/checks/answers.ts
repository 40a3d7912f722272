import { LIMITS } from '../allowances.ts';
import { eventsOf, latestEnd, type History, type Violation } from '../history.ts';

/** Every call has an answer, and in time. */
export function checkAnswers(history: History): Violation[] {
  return history.ops.flatMap((op): Violation[] => {
    const { invoke, answer } = op;
    const own = LIMITS.answerMs[invoke.kind];
    const latest = latestEnd(history, invoke.at, own);
    // The server keeps its own deadline whatever happens to its workers. Only faults of the API itself delay that.
    const events = eventsOf(op);
    if (answer === undefined) {
      return history.endedAt > latest
        ? [{ rule: 'hung', what: `${invoke.kind} ${invoke.op} has no answer`, events }]
        : [];
    }
    const late = answer.at - latest;
    if (late > 0) {
      return [
        { rule: 'late', what: `${invoke.kind} ${invoke.op} was answered ${Math.ceil(late)} ms too late`, events },
      ];
    }
    return afterDeadline(history, invoke.timeoutMs, { from: invoke.at, until: answer.at })
      ? [{ rule: 'late', what: `${invoke.kind} ${invoke.op} was answered long after its own timeout`, events }]
      : [];
  });
}

/** Whether a call took longer than its own timeout, although the API was there all the time. */
function afterDeadline(
  { windows, slack }: History,
  timeoutMs: number | undefined,
  { from, until }: { readonly from: number; readonly until: number },
): boolean {
  if (timeoutMs === undefined) return false;
  const touched = windows.some(
    (window) => window.allowance.target === 'api' && window.from <= until && window.until >= from,
  );
  return !touched && until - from > timeoutMs + LIMITS.afterTimeoutMs * slack;
}
