import { isFinal, isSuccess } from '../history.ts';
import type { AnswerEvent } from '../events.ts';
import type { PushStep } from '../plan/plan.ts';
import { lineModel } from '../system/line-model.ts';
import { mayRetry, type Caller } from './caller.ts';
import { readState } from './jobs.ts';

const READ_MS = 700;

/** Pushes a version of `line`, reads it until it is ready, and may remove an older one. */
export async function runPush(caller: Caller, owner: string, { thing, version, remove }: PushStep): Promise<void> {
  const path = `/v1/models/line/versions/${version}`;
  const body = lineModel(version);
  const pushed = await caller.call(
    { kind: 'version.push', owner, thing },
    { path, method: 'PUT', body, read: readState },
  );
  if (!isSuccess(pushed)) return;
  const readVersion = (): Promise<AnswerEvent> =>
    caller.call({ kind: 'version.read', owner, thing }, { path, read: readState });
  const end = await caller.until(readVersion, {
    everyMs: READ_MS,
    stop: (answer) => isFinal('version', answer.state) || !(isSuccess(answer) || mayRetry(answer)),
  });
  if (end === undefined) return;
  caller.readAgainAtTheEnd(readVersion);
  if (remove === undefined) return;
  const older = `/v1/models/line/versions/${remove}`;
  await caller.call({ kind: 'version.delete', owner, thing: `line-${remove}` }, { path: older, method: 'DELETE' });
}
