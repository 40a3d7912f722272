import { setTimeout as delay } from 'node:timers/promises';
import type { ClientPlan, InferStep, PoisonStep, Step } from '../plan/plan.ts';
import type { Recorder } from '../recorder.ts';
import { followBatch, runBatch } from './batches.ts';
import type { Caller } from './caller.ts';
import { decodeInfer, encodeInfer } from './infer-codec.ts';
import { runJob } from './jobs.ts';
import { poisonRequest } from './poison-requests.ts';
import { runPush } from './pushes.ts';

const HEALTH_EVERY_MS = 500;

/** Does the steps of a client at their times. Resolves when all of them have ended. */
export async function runClient(caller: Caller, recorder: Recorder, { owner, steps }: ClientPlan): Promise<void> {
  const running: Promise<unknown>[] = [];
  for (const step of steps) {
    await delay(Math.max(0, step.atMs - recorder.now()));
    running.push(runStep(caller, owner, step));
  }
  await Promise.all(running);
}

/** Asks for the health of the API all the time, until the signal. */
export async function watchHealth(caller: Caller, signal: AbortSignal): Promise<void> {
  const calls: Promise<unknown>[] = [];
  while (!signal.aborted) {
    calls.push(caller.call({ kind: 'health', owner: 'alice' }, { path: '/v2/health/live' }));
    await delay(HEALTH_EVERY_MS);
  }
  await Promise.all(calls);
}

async function runStep(caller: Caller, owner: string, step: Step): Promise<unknown> {
  switch (step.do) {
    case 'infer':
      return runInfer(caller, owner, step);
    case 'job':
      return runJob(caller, owner, step);
    case 'batch':
      return runBatch(caller, owner, step);
    case 'push':
      return runPush(caller, owner, step);
    case 'poison':
      return runPoison(caller, owner, step);
  }
}

function runInfer(caller: Caller, owner: string, { model, inputs, binary, timeoutMs }: InferStep): Promise<unknown> {
  return caller.call(
    { kind: 'infer', owner, model, inputs, timeoutMs },
    {
      path: `/v2/models/${model}/infer`,
      method: 'POST',
      ...encodeInfer(model, inputs, { binary, timeoutMs }),
      read: decodeInfer,
    },
  );
}

async function runPoison(caller: Caller, owner: string, { poison, thing, seed }: PoisonStep): Promise<unknown> {
  const { as, call } = await poisonRequest(poison, seed);
  if (as === 'infer') return caller.call({ kind: 'infer', owner, poison }, call);
  return followBatch(caller, { kind: 'batch.submit', owner, thing, poison }, { call });
}
