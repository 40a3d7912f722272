import { epochMs } from '@sconce/process/time';
import type { CountedRequest, ModelStatisticsWriter } from '@sconce/queue';
import type { FinishedRun, MicroBatcher } from '@sconce/runtime';
import { spanOf, type Telemetry } from '@sconce/telemetry';
import { HeldModelsMetrics } from './held-models.ts';

/** The totals of the statistics extension. */
export type StatisticsTotals = Pick<ModelStatisticsWriter, 'recordRun' | 'recordRequest'>;

/** Counts runs and requests, in this process's metrics and in the totals of the statistics extension. */
export class RunStatistics {
  readonly #telemetry: Telemetry;
  readonly #totals: StatisticsTotals;
  readonly #held: HeldModelsMetrics;

  constructor({ telemetry, totals }: { readonly telemetry: Telemetry; readonly totals: StatisticsTotals }) {
    this.#telemetry = telemetry;
    this.#totals = totals;
    this.#held = new HeldModelsMetrics(telemetry.metrics);
  }

  /** Observes the gauges of the threads. To be called once. */
  watch(batcher: Pick<MicroBatcher, 'running' | 'waiting'>, threads: number): void {
    const { metrics } = this.#telemetry;
    metrics.threads.observe(() => {
      const busy = Math.min(batcher.running, threads);
      return [
        { value: busy, labels: { state: 'busy' } },
        { value: threads - busy, labels: { state: 'idle' } },
      ];
    });
    metrics.waitingRequests.observe(() => [{ value: batcher.waiting, labels: {} }]);
  }

  /** One session call has ended. */
  recordRun({ model, rows, labels: traceparents, outcome }: FinishedRun): void {
    const { metrics } = this.#telemetry;
    const labels = { model: model.name };
    if ('error' in outcome) {
      // What a caller sent is no failure of the model: `sconce_rows_total` counts it.
      if (outcome.error === 'invalid_input') return;
      metrics.runFailures.add(1, { ...labels, error: outcome.error });
      if (outcome.error === 'thread_crashed') {
        metrics.threadCrashes.add(1, labels);
        this.#held.forgetThreads();
      }
      return;
    }
    const { runStartMs, runEndMs, loadMs } = outcome.timing;
    const runMs = runEndMs - runStartMs;
    this.#held.record(outcome.timing);
    metrics.batchRows.record(rows, labels);
    const [traceparent] = traceparents;
    metrics.runDuration.record(runMs / 1_000, labels, traceparent === undefined ? undefined : spanOf({ traceparent }));
    metrics.threadBusy.add((runMs + loadMs) / 1_000, {});
    if (loadMs > 0) {
      metrics.modelLoads.add(1, labels);
      metrics.modelLoadDuration.record(loadMs / 1_000, labels);
    }
    const outputMs = Math.max(0, epochMs() - runEndMs);
    this.#totals.recordRun({ model: model.name, version: model.version, rows, runMs, outputMs });
  }

  /** A request has run alone, in the sacrificial process. */
  recordAlone(model: string, outcome: string): void {
    this.#telemetry.metrics.suspects.add(1, { model, outcome });
  }

  /** A run, or the loading of a model, ended the sacrificial process. */
  recordSacrifice(model: string, cause: string): void {
    this.#telemetry.metrics.sacrificialEnds.add(1, { model, cause });
  }

  /** A queue job was taken or has ended. */
  recordJob(queue: string, event: 'taken' | 'answered' | 'retried' | 'handed_back'): void {
    const { metrics } = this.#telemetry;
    metrics.jobsInFlight.add(event === 'taken' ? 1 : -1, { queue });
    if (event !== 'taken') metrics.jobs.add(1, { queue, outcome: event });
  }

  /** One request has ended. */
  recordRequest(request: CountedRequest): void {
    this.#totals.recordRequest(request);
  }
}
