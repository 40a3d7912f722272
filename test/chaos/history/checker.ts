import { checkAnswers } from './checks/answers.ts';
import { checkEndings } from './checks/endings.ts';
import { checkOutcomes } from './checks/outcomes.ts';
import { checkProcesses } from './checks/processes.ts';
import { checkValues } from './checks/values.ts';
import type { HistoryEvent } from './events.ts';
import { readHistory, type History, type Violation } from './history.ts';

const CHECKS: readonly ((history: History) => Violation[])[] = [
  checkAnswers,
  checkValues,
  checkOutcomes,
  checkEndings,
  checkProcesses,
];

/** Everything that is wrong in a history. It depends on the events and the slack alone. */
export function check(events: readonly HistoryEvent[], slack = 1): Violation[] {
  const history = readHistory(events, slack);
  return CHECKS.flatMap((each) => each(history));
}
