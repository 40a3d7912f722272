import { Inject, Injectable } from '@nestjs/common';
import { ModelStatisticsWriter, type DeliveredRequest, type RequestTiming } from '@sconce/queue';
import type { FinishedRun } from '@sconce/runtime';
import type { Logger, Telemetry } from '@sconce/telemetry';
import type { WorkerConfig } from '../config.ts';
import { CONFIG, LOGGER, TELEMETRY } from '../tokens.ts';

/** Counts runs and requests: into this process's metrics, and into the totals that the statistics extension reports. */
@Injectable()
export class RunStatistics {
  readonly #writer: ModelStatisticsWriter;

  constructor(
    @Inject(CONFIG) config: WorkerConfig,
    @Inject(LOGGER) logger: Logger,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {
    this.#writer = new ModelStatisticsWriter(config.queue, {
      onError: (error) => logger.warn({ err: error }, 'statistics connection'),
    });
  }

  /** One session call has ended. */
  recordRun({ model, rows, timing }: FinishedRun): void {
    const { metrics } = this.telemetry;
    const labels = { model: model.name };
    if (timing === undefined) return;
    const runMs = timing.runEndMs - timing.runStartMs;
    metrics.batchRows.record(rows, labels);
    metrics.runDuration.record(runMs / 1_000, { ...labels, outcome: 'ok' });
    this.#writer.recordRun({ model: model.name, version: model.version, rows, runMs });
  }

  /** One request has ended; `timing` is absent where it failed. */
  recordRequest(delivered: DeliveredRequest, timing: RequestTiming | undefined, totalMs: number): void {
    const { model, version } = delivered;
    this.#writer.recordRequest({ model, version, totalMs, ...(timing === undefined ? {} : { timing }) });
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }
}
