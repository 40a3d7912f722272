import { setTimeout as sleep } from 'node:timers/promises';
import { load, median } from '../support/in-process.ts';
import type { LoadPlan, LoadReport } from '../support/load-client.ts';
import { residentMiB, type BenchStack } from '../support/stack.ts';

/** Throughput and memory under overload, and right after it. */
export interface OverloadFigures {
  /** Requests per second before, during (answered and refused) and right after the overload. */
  readonly before: number;
  readonly offered: number;
  readonly answered: number;
  readonly refused: number;
  readonly otherFailures: number;
  readonly after: number;
  /** Highest resident memory, MiB. */
  readonly apiMiB: number;
  readonly workerMiB: number;
}

/** A long steady load. */
export interface SoakFigures {
  readonly minutes: number;
  readonly perSecond: number;
  readonly failed: number;
  /** Resident memory and V8's used heap after the first fifth and at the end, medians over a tenth of the time, MiB. */
  readonly api: Memory;
  readonly worker: Memory;
  /** Event loop lag, ms: the p99 between two samples; median and highest of these. */
  readonly apiLagMs: Lag;
  readonly workerLagMs: Lag;
}

interface Memory {
  readonly rss: readonly [number, number];
  readonly heap: readonly [number, number];
}

interface Lag {
  readonly p99: number;
  readonly worst: number;
}

/** One reading of a process's metrics. */
interface Sample {
  readonly rss: number;
  readonly heap: number;
  readonly lagMs: number;
}

const OVERLOAD = 10;
const SAMPLE_MS = 2_000;

/** Sends ten times as many requests as the system can answer, then as many as before. */
export async function measureOverload(
  stack: BenchStack,
  plan: Omit<LoadPlan, 'inFlight' | 'rate' | 'seconds'>,
  options: { readonly seconds: number; readonly normalSeconds: number },
): Promise<OverloadFigures> {
  const normalLoad = { ...plan, inFlight: 64, seconds: options.normalSeconds };
  const before = await load(normalLoad);
  const memory = { api: 0, worker: 0 };
  const timer = setInterval(() => {
    memory.api = Math.max(memory.api, residentMiB(stack.pids.api));
    memory.worker = Math.max(memory.worker, residentMiB(stack.pids.workers[0] ?? 0));
  }, 500);
  // Enough connections that the server refuses requests; with fewer they would wait in the client.
  const during = await load({
    ...plan,
    inFlight: 12_000,
    rate: before.perSecond * OVERLOAD,
    warmupSeconds: 0,
    seconds: options.seconds,
  });
  clearInterval(timer);
  const after = await load(normalLoad);
  const refused = during.byStatus['429'] ?? 0;
  return {
    before: before.perSecond,
    offered: before.perSecond * OVERLOAD,
    answered: during.perSecond,
    refused,
    otherFailures: during.failed - refused,
    after: after.perSecond,
    apiMiB: memory.api,
    workerMiB: memory.worker,
  };
}

/** Runs a closed loop for some minutes and samples memory and lag. */
export async function soak(
  stack: BenchStack,
  plan: Omit<LoadPlan, 'seconds' | 'inFlight'>,
  options: { readonly minutes: number },
): Promise<SoakFigures> {
  const { minutes } = options;
  const samples: Record<'api' | 'worker', Sample[]> = { api: [], worker: [] };
  let ended = false;
  const sampling = (async () => {
    while (!ended) {
      await sleep(SAMPLE_MS);
      for (const [process, url] of [
        ['api', stack.metricsUrl],
        ['worker', stack.workerMetricsUrls[0] ?? ''],
      ] as const) {
        samples[process].push(await readSample(url));
      }
    }
  })();
  const report: LoadReport = await load({ ...plan, inFlight: 64, seconds: minutes * 60 });
  ended = true;
  await sampling;
  const memory = (process: 'api' | 'worker'): Memory => ({
    rss: earlyAndLate(samples[process].map(({ rss }) => rss)),
    heap: earlyAndLate(samples[process].map(({ heap }) => heap)),
  });
  const lag = (process: 'api' | 'worker'): Lag => {
    const values = samples[process].map(({ lagMs }) => lagMs);
    return { p99: median(values), worst: Math.max(...values) };
  };
  return {
    minutes,
    perSecond: report.perSecond,
    failed: report.failed,
    api: memory('api'),
    worker: memory('worker'),
    apiLagMs: lag('api'),
    workerLagMs: lag('worker'),
  };
}

/** Medians of the tenth after the first fifth, and of the last tenth. */
function earlyAndLate(values: readonly number[]): readonly [number, number] {
  const tenth = Math.max(1, Math.floor(values.length / 10));
  return [median(values.slice(2 * tenth, 3 * tenth)), median(values.slice(-tenth))];
}

function sum(matches: Iterable<RegExpExecArray>): number {
  return [...matches].reduce((total, match) => total + Number(match[1]), 0);
}

async function readSample(metricsUrl: string): Promise<Sample> {
  const text = await (await fetch(`${metricsUrl}/metrics`)).text();
  const of = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? NaN);
  return {
    rss: of(/^process_memory_usage_bytes (\S+)/m) / 1024 ** 2,
    heap: sum(text.matchAll(/^v8js_memory_heap_used_bytes\{[^}]*\} (\S+)/gm)) / 1024 ** 2,
    lagMs: of(/^nodejs_eventloop_delay_p99_seconds (\S+)/m) * 1e3,
  };
}
