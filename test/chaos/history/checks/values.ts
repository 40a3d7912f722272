import type { OpKind } from '../events.ts';
import { wrongOutputs } from '../models.ts';
import { eventsOf, isSuccess, type History, type Op, type Violation } from '../history.ts';

/** Calls whose good answers have outputs. */
const ANSWERING: readonly OpKind[] = ['infer', 'job.result', 'batch.output'];

/** Every answer is right: outputs of requests and jobs, rows of batches. */
export function checkValues(history: History): Violation[] {
  const inputsOf = new Map<string, Op['invoke']>();
  for (const { invoke } of history.ops) {
    if (invoke.thing !== undefined && invoke.inputs !== undefined) inputsOf.set(invoke.thing, invoke);
  }
  return history.ops.flatMap((op): Violation[] => {
    const { invoke, answer } = op;
    if (!isSuccess(answer) || invoke.poison !== undefined || !ANSWERING.includes(invoke.kind)) return [];
    const asked = invoke.inputs === undefined ? inputsOf.get(invoke.thing ?? '') : invoke;
    if (asked?.model === undefined || asked.inputs === undefined || asked.poison !== undefined) return [];
    const wrong =
      invoke.kind === 'batch.output'
        ? wrongRows(asked, answer)
        : wrongOutputs(asked.model, answer.version ?? 1, { inputs: asked.inputs, outputs: answer.outputs ?? [] });
    return wrong === undefined
      ? []
      : [{ rule: 'wrong answer', what: `${invoke.kind} ${invoke.op}: ${wrong}`, events: [asked, ...eventsOf(op)] }];
  });
}

/**
 * The results of a batch of `affine`: row `i` has the id `i` and the inputs `4i` to `4i + 3` of the flat input. Each row is in the results
 * or in the error file, once and in order.
 */
function wrongRows(
  { inputs = [], badRows = [] }: Op['invoke'],
  { rows = [], failedRows = [], outputs = [] }: NonNullable<Op['answer']>,
): string | undefined {
  const x = inputs[0] ?? [];
  const good = Array.from({ length: x.length / 4 }, (_, row) => row).filter((row) => !badRows.includes(row));
  if (good.join() !== rows.join()) return `the results have the rows ${rows.join()} instead of ${good.join()}`;
  if (badRows.join() !== failedRows.join())
    return `the error file has the rows ${failedRows.join()} instead of ${badRows.join()}`;
  return wrongOutputs('affine', 1, { inputs: [good.flatMap((row) => x.slice(4 * row, 4 * row + 4))], outputs });
}
