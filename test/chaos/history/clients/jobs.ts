import { setTimeout as delay } from 'node:timers/promises';
import { isFinal, isSuccess } from '../history.ts';
import type { AnswerEvent } from '../events.ts';
import type { JobStep } from '../plan/plan.ts';
import { mayRetry, type Caller, type CallInfo } from './caller.ts';
import type { HttpAnswer } from './http-call.ts';
import { decodeInfer, jsonInputs } from './infer-codec.ts';

const READ_MS = 400;

/** Id and state of a job, batch or version. */
export function readState(http: HttpAnswer): Partial<AnswerEvent> {
  const { id, status, error } = http.json() as {
    id?: string;
    status: string;
    error?: { code?: string; message?: string } | null;
  };
  return {
    state: status,
    ...(id === undefined ? {} : { id }),
    ...(error?.code === undefined ? {} : { code: error.code }),
    ...(error?.message === undefined ? {} : { message: error.message.slice(0, 200) }),
  };
}

/** Submits a job, may cancel it or let another owner look for it, reads it until it has ended, and reads its result. */
export async function runJob(caller: Caller, owner: string, step: JobStep): Promise<void> {
  const { thing, model, inputs, key } = step;
  const about: CallInfo = { kind: 'job.submit', owner, thing, model, inputs };
  const submission = {
    path: '/v1/jobs',
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) },
    body: JSON.stringify({ model, inputs: jsonInputs(model, inputs) }),
    read: readState,
  };
  const submit = (): Promise<AnswerEvent> => caller.call(about, submission);
  const accepted =
    key === undefined
      ? await submit()
      : await caller.until(submit, { everyMs: READ_MS, stop: (answer) => !mayRetry(answer) });
  if (!isSuccess(accepted) || accepted.id === undefined) return;
  const path = `/v1/jobs/${accepted.id}`;
  await Promise.all([
    key === undefined ? undefined : submit(),
    step.peek === undefined ? undefined : caller.call({ kind: 'peek', owner: step.peek, thing }, { path }),
    step.cancelAfterMs === undefined ? undefined : cancel(caller, { owner, thing, path, afterMs: step.cancelAfterMs }),
    follow(caller, { owner, thing, path }),
  ]);
  if (key === undefined || step.cancelAfterMs === undefined) return;
  const job = { owner, thing, path };
  const gone = await caller.until(() => remove(caller, job), {
    everyMs: READ_MS,
    stop: ({ outcome }) => outcome === 404,
  });
  if (gone === undefined) return;
  const again = (): Promise<AnswerEvent> => caller.call({ kind: 'job.again', owner, thing }, submission);
  await caller.until(again, { everyMs: READ_MS, stop: (answer) => !mayRetry(answer) });
}

interface JobOf {
  readonly owner: string;
  readonly thing: string;
  readonly path: string;
}

async function cancel(caller: Caller, { owner, thing, path, afterMs }: JobOf & { afterMs: number }): Promise<void> {
  await delay(afterMs);
  await remove(caller, { owner, thing, path });
}

/** Cancels a job, or removes one that has ended. */
function remove(caller: Caller, { owner, thing, path }: JobOf): Promise<AnswerEvent> {
  return caller.call({ kind: 'job.cancel', owner, thing }, { path, method: 'DELETE', read: readState });
}

async function follow(caller: Caller, { owner, thing, path }: JobOf): Promise<void> {
  const readJob = (): Promise<AnswerEvent> =>
    caller.call({ kind: 'job.read', owner, thing }, { path, read: readState });
  const readResult = (): Promise<AnswerEvent> =>
    caller.call({ kind: 'job.result', owner, thing }, { path: `${path}/result`, read: decodeInfer });
  const end = await caller.until(readJob, {
    everyMs: READ_MS,
    stop: (answer) => isFinal('job', answer.state) || !(isSuccess(answer) || mayRetry(answer)),
  });
  if (end === undefined) return;
  caller.readAgainAtTheEnd(readJob);
  if (end.state !== 'succeeded') return;
  await caller.until(readResult, { everyMs: READ_MS, stop: (answer) => !mayRetry(answer) });
  caller.readAgainAtTheEnd(readResult);
}
