import { readFileSync } from 'node:fs';
import type { ModelBatch, ModelPerformance } from '@sconce/contracts';
import { machineLimits, threadsFor } from '@sconce/process';
import { OnnxSession } from '@sconce/runtime';
import { concatRows, rowCount, sliceRows, type Tensor } from '@sconce/tensor';
import { runAll } from './prove-model.ts';

const ROW_COUNTS = [1, 2, 4, 8, 16, 32, 64, 128];
/** Time for the runs of one number of rows, with at least MIN_RUNS runs. */
const RUNS_MS = 150;
const MIN_RUNS = 3;
const MAX_RUNS = 200;
/** Time for all numbers of rows. */
const BUDGET_MS = 15_000;
/** The fewest rows that reach this share of the best speed are chosen: they wait for fewer other rows. */
const GOOD_ENOUGH = 0.95;
/** Shorter runs are not spread: waking threads takes longer than it saves, ms. */
const SPREAD_FROM_MS = 1;
/** Spread runs take the cores from other models and from the process. They are chosen only if they are faster by this factor than runs side by side. */
const SPREAD_GAIN = 1.1;

/**
 * Measures loading, memory and speed with one thread, as in one of a worker's threads. Calls of other numbers of rows repeat the rows
 * of `call`.
 */
export async function measureModel(
  path: string,
  call: readonly Tensor[],
  batch: ModelBatch,
): Promise<ModelPerformance> {
  const before = await OnnxSession.open(path, { intraOpThreads: 1 });
  await runAll({ session: before }, call);
  const anonymous = anonymousBytes();
  const startMs = performance.now();
  // The second session shows the memory of one more session. Both share the rest.
  const session = await OnnxSession.open(path, { intraOpThreads: 1 });
  const loadMs = performance.now() - startMs;
  try {
    await runAll({ session }, call);
    const memory = Math.max(0, anonymousBytes() - anonymous);
    const counts =
      batch.axis === 'none' ? [call[0]?.shape[0] ?? 1] : batch.axis === 'locked' ? [batch.size ?? 1] : ROW_COUNTS;
    const measured: ModelPerformance['batch_sizes'][number][] = [];
    const endMs = performance.now() + BUDGET_MS;
    for (const count of counts) {
      if (performance.now() > endMs) break;
      const latency = await medianMs(session, batch.axis === 'none' ? call : withRows(call, batch, count), endMs);
      measured.push({
        rows: Math.max(1, count),
        latency_ms: round(latency),
        rows_per_s: round((Math.max(1, count) * 1000) / latency),
      });
      const best = Math.max(...measured.map(({ rows_per_s: speed }) => speed));
      // The best number of rows is passed: more rows only take longer.
      if (measured.slice(-2).every(({ rows_per_s: speed }) => speed < 0.8 * best)) break;
    }
    const best = Math.max(...measured.map(({ rows_per_s: speed }) => speed));
    const good = measured.find(({ rows_per_s: speed }) => speed >= GOOD_ENOUGH * best);
    const spread =
      good && (await measureSpread(path, { call, batch, alone: good, cores: threadsFor(machineLimits()) }));
    return {
      load_ms: round(loadMs),
      memory_bytes: memory,
      batch_sizes: measured,
      best_rows: good?.rows ?? 1,
      spread,
    };
  } finally {
    await session.release();
    await before.release();
  }
}

/** Measures a run on all cores, with the number of rows that is best on one core. */
async function measureSpread(
  path: string,
  given: {
    readonly call: readonly Tensor[];
    readonly batch: ModelBatch;
    readonly alone: ModelPerformance['batch_sizes'][number];
    readonly cores: number;
  },
): Promise<ModelPerformance['spread']> {
  const { call, batch, alone, cores } = given;
  const { rows } = alone;
  if (cores < 2 || alone.latency_ms < SPREAD_FROM_MS) return undefined;
  const session = await OnnxSession.open(path, { intraOpThreads: cores });
  try {
    const inputs = batch.axis === 'none' ? call : withRows(call, batch, rows);
    const latency = await medianMs(session, inputs, performance.now() + BUDGET_MS);
    const speed = (rows * 1000) / latency;
    return {
      threads: cores,
      rows,
      latency_ms: round(latency),
      rows_per_s: round(speed),
      chosen: speed >= SPREAD_GAIN * cores * alone.rows_per_s,
    };
  } finally {
    await session.release();
  }
}

/** A call of `count` rows: the rows of `call`, repeated. */
function withRows(call: readonly Tensor[], { inputs = [] }: ModelBatch, count: number): readonly Tensor[] {
  return call.map((input) => {
    if (!inputs.includes(input.name)) return input;
    const times = Math.ceil(count / rowCount(input));
    return sliceRows(concatRows(Array.from({ length: times }, () => input)), 0, count);
  });
}

async function medianMs(session: OnnxSession, inputs: readonly Tensor[], endMs: number): Promise<number> {
  await runAll({ session }, inputs);
  const times: number[] = [];
  const stopMs = Math.min(endMs, performance.now() + RUNS_MS);
  while (times.length < MIN_RUNS || (performance.now() < stopMs && times.length < MAX_RUNS)) {
    const startMs = performance.now();
    await runAll({ session }, inputs);
    times.push(performance.now() - startMs);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

/** Memory of this process that is not mapped from files. All of its memory if the system does not report it. */
function anonymousBytes(): number {
  try {
    const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // Not Linux.
  }
  return process.memoryUsage.rss();
}

const round = (value: number): number => Number(value.toPrecision(4));
