import { setTimeout as delay } from 'node:timers/promises';
import { isFinal, isSuccess } from '../history.ts';
import type { AnswerEvent } from '../events.ts';
import type { BatchStep } from '../plan/plan.ts';
import { mayRetry, type Call, type Caller, type CallInfo } from './caller.ts';
import type { HttpAnswer } from './http-call.ts';
import { readState } from './jobs.ts';

const READ_MS = 600;
const QUERY = new URLSearchParams({
  model: 'affine',
  inputs: JSON.stringify({ x: ['a', 'b', 'c', 'd'] }),
  pass_through: 'id',
  output_format: 'jsonl',
});

/** The dataset of a step: CSV with an id and the four columns of each row. A bad row has a word for a number. */
export function datasetOf({ inputs: [x = []], badRows }: Pick<BatchStep, 'inputs' | 'badRows'>): string {
  const lines = Array.from({ length: x.length / 4 }, (_, row) => {
    const values: (number | string)[] = x.slice(4 * row, 4 * row + 4);
    return [row, ...(badRows.includes(row) ? ['word', ...values.slice(1)] : values)].join(',');
  });
  return `id,a,b,c,d\n${lines.join('\n')}\n`;
}

/** Submits a batch, may cancel it, reads it until it has ended, and reads its results and its error file. */
export async function runBatch(caller: Caller, owner: string, step: BatchStep): Promise<void> {
  const { thing, inputs, badRows, cancelAfterMs } = step;
  const about: CallInfo = { kind: 'batch.submit', owner, thing, model: 'affine', inputs, badRows };
  const call: Call = {
    path: `/v1/batches?${QUERY.toString()}`,
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: datasetOf(step),
  };
  await followBatch(caller, about, { call, cancelAfterMs });
}

/** Submits a batch and follows it to its end. */
export async function followBatch(
  caller: Caller,
  about: CallInfo,
  { call, cancelAfterMs }: { readonly call: Call; readonly cancelAfterMs?: number | undefined },
): Promise<void> {
  const { owner, thing, poison } = about;
  const own = { owner, ...(thing === undefined ? {} : { thing }), ...(poison === undefined ? {} : { poison }) };
  const accepted = await caller.call(about, { ...call, read: readState });
  if (!isSuccess(accepted) || accepted.id === undefined) return;
  const path = `/v1/batches/${accepted.id}`;
  const cancelling =
    cancelAfterMs === undefined
      ? undefined
      : delay(cancelAfterMs).then(() =>
          caller.call({ kind: 'batch.cancel', ...own }, { path: `${path}/cancel`, method: 'POST' }),
        );
  const readBatch = (): Promise<AnswerEvent> =>
    caller.call({ kind: 'batch.read', ...own }, { path, read: readBatchState });
  const end = await caller.until(readBatch, {
    everyMs: READ_MS,
    stop: (answer) => isFinal('batch', answer.state) || !(isSuccess(answer) || mayRetry(answer)),
  });
  await cancelling;
  if (end === undefined) return;
  caller.readAgainAtTheEnd(readBatch);
  if (end.state !== 'completed' || poison !== undefined) return;
  const readResults = (): Promise<AnswerEvent> => results(caller, own, path);
  await caller.until(readResults, { everyMs: READ_MS, stop: (answer) => !mayRetry(answer) });
  caller.readAgainAtTheEnd(readResults);
}

/** The state of a batch, with the first of its errors. */
function readBatchState(http: HttpAnswer): Partial<AnswerEvent> {
  const { errors } = http.json() as { errors?: { data?: { code?: string; message?: string }[] } | null };
  const first = errors?.data?.[0];
  return {
    ...readState(http),
    ...(first?.code === undefined ? {} : { code: first.code }),
    ...(first?.message === undefined ? {} : { message: first.message.slice(0, 200) }),
  };
}

/** Reads the error file, then the results; the last answer has both. */
async function results(caller: Caller, own: Omit<CallInfo, 'kind'>, path: string): Promise<AnswerEvent> {
  let failedRows: readonly number[] = [];
  const errors = await caller.call(
    { kind: 'batch.errors', ...own },
    {
      path: `${path}/errors`,
      read: (http) => {
        failedRows = linesOf<{ row: number }>(http).map(({ row }) => row - 1);
        return {};
      },
    },
  );
  if (!isSuccess(errors)) return errors;
  return caller.call(
    { kind: 'batch.output', ...own },
    {
      path: `${path}/output`,
      read: (http) => {
        const rows = linesOf<{ id: string; y: number[] }>(http);
        return { rows: rows.map(({ id }) => Number(id)), failedRows, outputs: [rows.flatMap(({ y }) => y)] };
      },
    },
  );
}

function linesOf<T>(http: HttpAnswer): T[] {
  return http
    .text()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
