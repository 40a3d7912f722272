import { plannerJobSchema, type PlannerJob } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { JobConsumer } from './job-consumer.ts';

/** Consumes batches to plan. When the worker closes, its batches are handed back at once. */
export class PlannerConsumer implements JobConsumer<PlannerJob> {
  readonly jobName = 'plan';
  readonly schema = plannerJobSchema;
  readonly #handle: (job: PlannerJob, signal: AbortSignal) => Promise<void>;
  readonly #stopping = new AbortController();

  /**
   * @param options.handle leads a batch; resolves when the batch has ended. Its signal is aborted when the worker closes.
   *   When it throws, the batch is planned again later.
   */
  constructor(options: { readonly handle: (job: PlannerJob, signal: AbortSignal) => Promise<void> }) {
    this.#handle = options.handle;
  }

  async consume(job: PlannerJob): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await this.#handle(job, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (signal.aborted) {
      throw new SconceError('shutting_down', 'This worker is shutting down; another one plans the batch.');
    }
  }

  /** A batch ends by its own deadline, never by a number of attempts: it is planned again whatever went wrong. */
  postpones(): boolean {
    return true;
  }

  /** Nothing waits for the job itself: workers add a planner for each batch that has none. */
  abandon(): Promise<void> {
    return Promise.resolve();
  }

  stop(): void {
    this.#stopping.abort();
  }
}
