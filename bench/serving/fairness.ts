import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GraphBuilder } from '@sconce/onnx';
import { writeModel } from '../registration/large-model.ts';
import { jsonRequest } from '../support/stack.ts';
import type { LoadPlan } from '../support/load-client.ts';
import type { BenchModel } from './models.ts';
import { pushModel, startSide, type Side } from './sides.ts';

/** One request to a fast model that arrives behind a burst to a slow model. */
export interface FairnessFigures {
  /** One run of the slow model alone, ms. */
  readonly slowRunMs: number;
  /** How long the fast model's request took, ms and in runs of the slow model. */
  readonly waitMs: number;
  readonly waitRuns: number;
  /** The same for a second request to the slow model with `priority: 1`. */
  readonly urgentRuns: number;
}

const THREADS = 2;
const BURST = 24;
/** Time for the burst to reach the queue. */
const SETTLE_MS = 300;

/** Two threads, 24 requests to a slow model, then one to the fast one, then an urgent one to the slow model. */
export async function measureFairness(side: Side, fast: BenchModel, scratch: string): Promise<FairnessFigures> {
  const running = await startSide(side, { env: { SCONCE_THREADS: String(THREADS) } });
  try {
    const fastModel = await pushModel(running, fast);
    const slowModel = await pushModel(running, slowModelIn(scratch), { max_batch_size: 1 });
    const fastRequest = jsonRequest(running.stack.url, fastModel);
    const slowRequest = jsonRequest(running.stack.url, slowModel);
    for (let n = 0; n < THREADS * 2; n++) await Promise.all([elapsedMs(fastRequest), elapsedMs(slowRequest)]);
    const slowRunMs = await elapsedMs(slowRequest);
    const burst = Promise.all(Array.from({ length: BURST }, () => elapsedMs(slowRequest)));
    await sleep(SETTLE_MS);
    const waitMs = await elapsedMs(fastRequest);
    const urgentMs = await elapsedMs(withPriority(slowRequest, 1));
    await burst;
    // The urgent request's own run is not part of its wait.
    return { slowRunMs, waitMs, waitRuns: waitMs / slowRunMs, urgentRuns: (urgentMs - slowRunMs) / slowRunMs };
  } finally {
    await running.stop();
  }
}

/** Sends one request; returns how long its answer took. */
async function elapsedMs({ url, path, headers, bodies }: Request): Promise<number> {
  const startMs = performance.now();
  const answer = await fetch(`${url}${path}`, {
    method: 'POST',
    headers,
    body: Buffer.from(bodies[0] ?? '', 'base64'),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${text}`);
  return performance.now() - startMs;
}

type Request = Pick<LoadPlan, 'url' | 'path' | 'headers' | 'bodies'>;

function withPriority(request: Request, priority: number): Request {
  const body = JSON.parse(Buffer.from(request.bodies[0] ?? '', 'base64').toString()) as object;
  const urgent = JSON.stringify({ ...body, parameters: { priority } });
  return { ...request, bodies: [Buffer.from(urgent).toString('base64')] };
}

const WIDTH = 2048;
/** Some half a second a run on the machines that we measure on. */
const LAYERS = 240;

/** A model whose run takes long and whose input is small: one matrix, applied many times. */
function slowModelIn(scratch: string): BenchModel {
  const builder = new GraphBuilder();
  builder.input({ name: 'x', datatype: 'FLOAT', shape: ['rows', WIDTH] });
  const values = new Float32Array(WIDTH * WIDTH);
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = ((state / 2 ** 31) * 1.7) / Math.sqrt(WIDTH);
  }
  const dims = [WIDTH, WIDTH];
  builder.initializer({ name: 'weight', datatype: 'FLOAT', dims, data: new Uint8Array(values.buffer) });
  let last = 'x';
  for (let layer = 0; layer < LAYERS; layer++) last = builder.node('Tanh', [builder.node('MatMul', [last, 'weight'])]);
  builder.nodes('Identity', [last], { names: [builder.uniqueName('y')] });
  builder.output({ name: 'y', datatype: 'FLOAT', shape: ['rows', WIDTH] });
  const path = join(scratch, 'slow.onnx');
  writeModel(path, builder);
  const data = new Uint8Array(Float32Array.from({ length: WIDTH }, (_, i) => Math.round(Math.sin(i) * 8)).buffer);
  return { name: 'slow', path, onnx: path, row: [{ name: 'x', datatype: 'FP32', shape: [1, WIDTH], data }] };
}
