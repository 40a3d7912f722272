import type { RunResult } from '@sconce/runtime';
import type { Telemetry } from '@sconce/telemetry';

type HeldModels = NonNullable<RunResult['timing']['held']>;

/** Metrics of the models that threads hold, from each thread's last report. */
export class HeldModelsMetrics {
  readonly #metrics: Pick<Telemetry['metrics'], 'modelsHeld' | 'modelMemory' | 'modelEvictions'>;
  readonly #threads = new Map<number, HeldModels>();

  constructor(metrics: Telemetry['metrics']) {
    this.#metrics = metrics;
    const sum = (field: 'models' | 'bytes'): number =>
      [...this.#threads.values()].reduce((total, held) => total + held[field], 0);
    metrics.modelsHeld.observe(() => [{ value: sum('models'), labels: {} }]);
    metrics.modelMemory.observe(() => [{ value: sum('bytes'), labels: {} }]);
  }

  /** Records a thread's report. */
  record({ threadId, held }: RunResult['timing']): void {
    if (held === undefined) return;
    const before = this.#threads.get(threadId)?.evictions ?? 0;
    if (held.evictions > before) this.#metrics.modelEvictions.add(held.evictions - before, {});
    this.#threads.set(threadId, held);
  }

  /** A thread is gone, and it is not known which. The others report again with their next run. */
  forgetThreads(): void {
    for (const [threadId, { evictions }] of this.#threads) {
      // Evictions that were counted are not counted again.
      this.#threads.set(threadId, { models: 0, bytes: 0, evictions });
    }
  }
}
