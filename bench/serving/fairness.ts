import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../support/in-process.ts';
import { jsonRequest } from '../support/stack.ts';
import type { LoadPlan } from '../support/load-client.ts';
import type { BenchModel } from './models.ts';
import { pushModel, startSide, type Side } from './sides.ts';
import { slowModel } from './slow-model.ts';

/** One request to a fast model that arrives behind a burst to a slow model. */
export interface FairnessFigures {
  /** One run of the slow model during the burst, ms. */
  readonly slowRunMs: number;
  /** How long the fast model's request took, ms and in runs of the slow model. */
  readonly waitMs: number;
  readonly waitRuns: number;
  /** The same for a second request to the slow model with `priority: 1`. */
  readonly urgentRuns: number;
}

const THREADS = 2;
const BURST = 24;
/** Some half a second a run on the machines that we measure on. */
const PRODUCTS = 3;
/** Time for the burst to reach the queue. */
const SETTLE_MS = 300;

/** Two threads, 24 requests to a slow model, then one to the fast one, then an urgent one to the slow model. */
export async function measureFairness(side: Side, fast: BenchModel, scratch: string): Promise<FairnessFigures> {
  const running = await startSide(side, { env: { SCONCE_THREADS: String(THREADS) } });
  try {
    const fastModel = await pushModel(running, fast);
    const slow = await pushModel(running, slowModel(scratch, PRODUCTS));
    const fastRequest = jsonRequest(running.stack.url, fastModel);
    const slowRequest = jsonRequest(running.stack.url, slow);
    for (let n = 0; n < THREADS * 2; n++) await Promise.all([send(fastRequest), send(slowRequest)]);
    const burst = Promise.all(Array.from({ length: BURST }, () => send(slowRequest)));
    await sleep(SETTLE_MS);
    const { ms: waitMs } = await send(fastRequest);
    const urgent = await send(withPriority(slowRequest, 1));
    // Runs side by side take longer than one alone.
    const slowRunMs = median((await burst).map(({ runMs }) => runMs));
    // The urgent request's own run is not part of its wait.
    return { slowRunMs, waitMs, waitRuns: waitMs / slowRunMs, urgentRuns: (urgent.ms - urgent.runMs) / slowRunMs };
  } finally {
    await running.stop();
  }
}

/** Sends one request. Returns how long its answer took and how long its run was, ms. */
async function send({ url, path, headers, bodies }: Request): Promise<{ readonly ms: number; readonly runMs: number }> {
  const startMs = performance.now();
  const answer = await fetch(`${url}${path}`, {
    method: 'POST',
    headers,
    body: Buffer.from(bodies[0] ?? '', 'base64'),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${text}`);
  const runMs = Number(/run;dur=([\d.]+)/.exec(answer.headers.get('server-timing') ?? '')?.[1] ?? NaN);
  return { ms: performance.now() - startMs, runMs };
}

type Request = Pick<LoadPlan, 'url' | 'path' | 'headers' | 'bodies'>;

function withPriority(request: Request, priority: number): Request {
  const body = JSON.parse(Buffer.from(request.bodies[0] ?? '', 'base64').toString()) as object;
  const urgent = JSON.stringify({ ...body, parameters: { priority } });
  return { ...request, bodies: [Buffer.from(urgent).toString('base64')] };
}
