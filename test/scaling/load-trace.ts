import { SconceClient, hasEnded } from '@sconce/client';
import type { Tensor } from '@sconce/tensor';

/** A request or batch at a time, ms after the start. `steps` decides how long the model `slow` takes for a row. */
export type TraceEvent =
  | { readonly kind: 'request'; readonly atMs: number; readonly steps: number }
  | { readonly kind: 'batch'; readonly atMs: number; readonly rows: number; readonly steps: number };

/** A period in which requests arrive at random, with a mean rate per second. */
export interface Stretch {
  readonly seconds: number;
  readonly perSecond: number;
  readonly steps: number;
}

/** The requests of these periods, one after the other: a Poisson process. The same random numbers give the same requests. */
export function requestsOf(stretches: readonly Stretch[], random: () => number): readonly TraceEvent[] {
  const events: TraceEvent[] = [];
  let fromMs = 0;
  for (const { seconds, perSecond, steps } of stretches) {
    const untilMs = fromMs + seconds * 1_000;
    const gapMs = (): number => (perSecond > 0 ? (-Math.log(1 - random()) / perSecond) * 1_000 : Infinity);
    for (let atMs = fromMs + gapMs(); atMs < untilMs; atMs += gapMs()) events.push({ kind: 'request', atMs, steps });
    fromMs = untilMs;
  }
  return events;
}

/** The result of a request. `waitMs` is its latency without the run. */
export interface RequestOutcome {
  readonly atMs: number;
  readonly latencyMs: number;
  readonly waitMs: number;
  /** The error's code; undefined if it was answered. */
  readonly failed?: string;
}

/** The result of a batch: rows that are missing, that came twice, and whether all came in order. */
export interface BatchOutcome {
  readonly atMs: number;
  readonly seconds: number;
  readonly rows: number;
  readonly status: string;
  readonly lost: number;
  readonly doubled: number;
  readonly inOrder: boolean;
}

/** The results of a load trace. */
export interface TraceResults {
  readonly requests: readonly RequestOutcome[];
  readonly batches: readonly BatchOutcome[];
}

/** Sends the requests of a trace at their times, without waiting for answers. Then it waits for all answers. */
export async function playTrace(
  trace: readonly TraceEvent[],
  { url, timeoutMs = 120_000 }: { readonly url: string; readonly timeoutMs?: number },
): Promise<TraceResults> {
  const client = new SconceClient({ url });
  const beganMs = performance.now();
  const requests: Promise<RequestOutcome>[] = [];
  const batches: Promise<BatchOutcome>[] = [];
  for (const event of trace.toSorted((a, b) => a.atMs - b.atMs)) {
    const waitMs = beganMs + event.atMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (event.kind === 'request') requests.push(sendRequest(client, event, timeoutMs));
    else batches.push(scoreRows(client, event));
  }
  return { requests: await Promise.all(requests), batches: await Promise.all(batches) };
}

async function sendRequest(
  client: SconceClient,
  { atMs, steps }: { readonly atMs: number; readonly steps: number },
  timeoutMs: number,
): Promise<RequestOutcome> {
  const startMs = performance.now();
  try {
    const { timing } = await client.infer('slow', { inputs: [stepsTensor(steps)], binary: true }, { timeoutMs });
    const latencyMs = performance.now() - startMs;
    return { atMs, latencyMs, waitMs: latencyMs - timing.runMs };
  } catch (error) {
    const latencyMs = performance.now() - startMs;
    return { atMs, latencyMs, waitMs: latencyMs, failed: (error as { code?: string }).code ?? String(error) };
  }
}

function stepsTensor(steps: number): Tensor {
  return { name: 'steps', datatype: 'INT64', shape: [1], data: new Uint8Array(BigInt64Array.of(BigInt(steps)).buffer) };
}

async function scoreRows(
  client: SconceClient,
  { atMs, rows, steps }: { readonly atMs: number; readonly rows: number; readonly steps: number },
): Promise<BatchOutcome> {
  const startMs = performance.now();
  const lines = Array.from({ length: rows }, (_, row) => `${row},${steps}`);
  const { id } = await client.batches.score(
    { model: 'slow', format: 'csv', inputs: { steps: 'steps' }, pass_through: ['id'], output_format: 'jsonl' },
    new Blob([`id,steps\n${lines.join('\n')}\n`]),
    { filename: 'rows.csv' },
  );
  let batch = await client.batches.get(id);
  while (!hasEnded(batch)) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    batch = await client.batches.get(id);
  }
  const seconds = (performance.now() - startMs) / 1_000;
  const ids: number[] = [];
  for await (const row of client.batches.rows(id)) ids.push(Number((row as { id: string }).id));
  const distinct = new Set(ids).size;
  return {
    atMs,
    seconds,
    rows,
    status: batch.status,
    lost: rows - distinct,
    doubled: ids.length - distinct,
    inOrder: ids.every((own, index) => index === 0 || own > (ids[index - 1] ?? 0)),
  };
}
