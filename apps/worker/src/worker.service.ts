import { Inject, Injectable } from '@nestjs/common';
import type { Notice } from '@sconce/contracts';
import { withTimeout } from '@sconce/process/time';
import { BatchWork, ModelStatisticsWriter, WorkerConnections } from '@sconce/queue';
import { InferencePool, SacrificialRunner, type HungRun } from '@sconce/runtime';
import { GuardedRuns, ServedModels } from '@sconce/serving';
import type { Logger } from '@sconce/telemetry';
import { BatchMaintenance } from './batches/batch-maintenance.ts';
import { BatchPlanner } from './batches/batch-planner.ts';
import { ChunkProcessor } from './batches/chunk.processor.ts';
import { DatasetThreads } from './batches/dataset-threads.ts';
import type { WorkerConfig } from './config.ts';
import { PodDeletionCost } from './kubernetes/pod-deletion-cost.ts';
import { RegistrationProcessor } from './registration/registration.processor.ts';
import { CONFIG, LOGGER } from './tokens.ts';
import { WorkerConsumers } from './worker-consumers.ts';

/** The part of the grace period that is left when chunks are told to stop. At most half of the grace period. */
const HAND_BACK_MS = 5_000;
/** Longest time for handing back the jobs of a worker with a hung run. */
const HUNG_HAND_BACK_MS = 5_000;
/** How often the kinds of suspects are read again, in case a notice was lost. */
const READ_KINDS_MS = 30_000;

/**
 * The worker's life: *stopped* → `start` → *running* → `stop` → *stopped*.
 *
 * Shutdown order: first the consumers. They take no more jobs and finish the active ones within the grace period. Chunks that would take
 * longer stop between two runs, and jobs that are left go back into the queues. Then the threads, which are idle by then. Then the
 * connections that carried the answers.
 */
@Injectable()
export class WorkerService {
  #podCost: PodDeletionCost | undefined;
  #running = false;
  #stopping: Promise<boolean> | undefined;
  #readKinds: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: WorkerConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(WorkerConnections) private readonly connections: WorkerConnections,
    @Inject(WorkerConsumers) private readonly consumers: WorkerConsumers,
    @Inject(InferencePool) private readonly pool: InferencePool,
    @Inject(RegistrationProcessor) private readonly registration: RegistrationProcessor,
    @Inject(ServedModels) private readonly models: ServedModels,
    @Inject(ModelStatisticsWriter) private readonly statistics: ModelStatisticsWriter,
    @Inject(ChunkProcessor) private readonly chunks: ChunkProcessor,
    @Inject(BatchPlanner) private readonly planner: BatchPlanner,
    @Inject(BatchMaintenance) private readonly maintenance: BatchMaintenance,
    @Inject(DatasetThreads) private readonly datasets: DatasetThreads,
    @Inject(BatchWork) private readonly batches: BatchWork,
    @Inject(GuardedRuns) private readonly guarded: GuardedRuns,
    @Inject(SacrificialRunner) private readonly sacrificial: SacrificialRunner,
  ) {}

  /** True while the worker takes jobs. */
  get ready(): boolean {
    return this.#running;
  }

  async start(): Promise<void> {
    this.connections.listen((notice) => this.#onNotice(notice));
    await this.#refreshSuspects();
    this.#readKinds = setInterval(() => void this.#refreshSuspects(), READ_KINDS_MS).unref();
    await this.consumers.start();
    this.maintenance.start();
    const { pod } = this.config;
    if (pod !== undefined) {
      const load = (): { requests: number; chunks: number } => {
        const chunks = this.chunks.active;
        return { requests: this.consumers.laneJobs - chunks, chunks };
      };
      this.#podCost = new PodDeletionCost({ pod, load, logger: this.logger });
    }
    this.#running = true;
  }

  /** Returns whether all jobs and runs ended. If not, native code is still running in the threads. */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<boolean> {
    this.#running = false;
    const graceMs = this.config.shutdownGraceMs;
    this.#podCost?.close();
    clearInterval(this.#readKinds);
    await this.maintenance.stop();
    const late = setTimeout(() => this.chunks.handBack(), graceMs - Math.min(HAND_BACK_MS, graceMs / 2));
    // A registration may take minutes. Another worker starts it again, so that it does not delay the shutdown.
    this.registration.stop();
    const drained = await this.consumers.close(graceMs);
    clearTimeout(late);
    await this.datasets.close();
    await this.sacrificial.close();
    if (drained) await this.pool.close();
    await Promise.all([this.statistics.close(), this.consumers.closeReporter(), this.batches.close()]);
    await this.connections.close();
    return drained && !this.pool.isStuck;
  }

  /**
   * Resolves when a run counts as hung and this worker's jobs have been handed back. The process must end then, because the thread
   * cannot. What it had is delivered to other workers as suspects: these run it alone, in a process that can be ended. If the run is
   * abandoned, the worker has no suspects: it answers what it has, as at a shutdown.
   */
  async hung(): Promise<void> {
    const run = await this.pool.hung;
    if (run.isAbandoned) {
      const { model, version } = run.file;
      this.logger.error(
        { model, version, runMs: Math.round(run.runMs) },
        'an abandoned run does not end: this worker ends',
      );
      await this.stop();
      return;
    }
    this.#running = false;
    // If Redis or the store does not answer, the process ends all the same: the locks of its jobs expire.
    await withTimeout(this.#handBackAfter(run), HUNG_HAND_BACK_MS);
  }

  async #handBackAfter({ file: { model, version }, runMs }: HungRun): Promise<void> {
    const about = { model, version, runMs: Math.round(runMs) };
    this.logger.error(about, 'a run does not end: this worker hands its jobs back and ends');
    void this.sacrificial.close();
    await this.consumers.requeueAll();
  }

  async #refreshSuspects(): Promise<void> {
    await this.guarded
      .refresh()
      .catch((err: unknown) => this.logger.warn({ err }, 'the kinds of suspects were not read'));
  }

  #onNotice(notice: Notice): void {
    switch (notice.kind) {
      case 'cancel':
        this.consumers.cancel(notice.jobId);
        return;
      case 'give_up':
        this.consumers.giveUp(notice.requestIds);
        return;
      case 'suspects':
        void this.#refreshSuspects();
        return;
      case 'unload':
        void this.models.unload(notice.model, notice.version);
        return;
      case 'batch':
        if (notice.cancelled === true) this.chunks.cancel(notice.batchId);
        this.planner.notices.notify(notice.batchId);
    }
  }
}
