import type { CountAndTime, CountedRequest, CountedRun, ModelStatistics } from '@sconce/queue';
import type { StatisticsTotals } from '../inference/run-statistics.ts';

const NS_PER_MS = 1e6;

class Total {
  count = 0;
  #ms = 0;

  add(ms: number): void {
    this.count += 1;
    this.#ms += ms;
  }

  get value(): CountAndTime {
    return { count: this.count, ns: Math.round(this.#ms * NS_PER_MS) };
  }
}

class VersionTotals {
  lastInferenceMs = 0;
  rows = 0;
  runs = 0;
  readonly success = new Total();
  readonly fail = new Total();
  readonly queue = new Total();
  readonly batchWait = new Total();
  readonly run = new Total();
  readonly output = new Total();
  readonly failures = new Map<string, Total>();
  readonly batches = new Map<number, { readonly run: Total; readonly output: Total }>();
}

/** The totals of the statistics extension, in the memory of this process. They begin at zero when it starts. */
export class LocalStatistics implements StatisticsTotals {
  readonly #versions = new Map<string, VersionTotals>();

  recordRun(run: CountedRun): void {
    const totals = this.#of(run.model, run.version);
    totals.rows += run.rows;
    totals.runs += 1;
    let batch = totals.batches.get(run.rows);
    if (batch === undefined) totals.batches.set(run.rows, (batch = { run: new Total(), output: new Total() }));
    batch.run.add(run.runMs);
    batch.output.add(run.outputMs);
    totals.lastInferenceMs = Date.now();
  }

  recordRequest(request: CountedRequest): void {
    const { totalMs } = request;
    const totals = this.#of(request.model, request.version);
    totals.lastInferenceMs = Date.now();
    if ('failure' in request) {
      totals.fail.add(totalMs);
      let failure = totals.failures.get(request.failure);
      if (failure === undefined) totals.failures.set(request.failure, (failure = new Total()));
      failure.add(totalMs);
      return;
    }
    const { timing, outputMs } = request;
    totals.success.add(totalMs);
    totals.output.add(outputMs);
    totals.queue.add(timing.queueMs);
    totals.batchWait.add(timing.batchMs);
    totals.run.add(timing.runMs);
  }

  /** The totals of a version; all are zero before its first request. */
  read(model: string, version: string): ModelStatistics {
    const totals = this.#versions.get(`${model}/${version}`) ?? new VersionTotals();
    return {
      lastInferenceMs: totals.lastInferenceMs,
      inferenceCount: totals.rows,
      executionCount: totals.runs,
      success: totals.success.value,
      fail: totals.fail.value,
      failures: Object.fromEntries([...totals.failures].map(([code, total]) => [code, total.value])),
      queue: totals.queue.value,
      batchWait: totals.batchWait.value,
      run: totals.run.value,
      output: totals.output.value,
      batches: [...totals.batches]
        .map(([rows, { run, output }]) => ({ rows, ...run.value, outputNs: output.value.ns }))
        .sort((left, right) => left.rows - right.rows),
    };
  }

  #of(model: string, version: string): VersionTotals {
    const key = `${model}/${version}`;
    let totals = this.#versions.get(key);
    if (totals === undefined) this.#versions.set(key, (totals = new VersionTotals()));
    return totals;
  }
}
