import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { LANES, type Lane, type Notice } from '@sconce/contracts';
import {
  BatchWork,
  ChunkConsumer,
  NoticeListener,
  PlannerConsumer,
  QueueConsumer,
  RegistrationConsumer,
  RequestConsumer,
  WebhookConsumer,
  WorkerConnections,
  WorkerReporter,
  laneQueueName,
} from '@sconce/queue';
import { InferencePool, MicroBatcher, type HungRun } from '@sconce/runtime';
import type { Logger } from '@sconce/telemetry';
import { BatchMaintenance } from './batches/batch-maintenance.ts';
import { BatchPlanner } from './batches/batch-planner.ts';
import { ChunkProcessor } from './batches/chunk.processor.ts';
import { DatasetThreads } from './batches/dataset-threads.ts';
import type { WorkerConfig } from './config.ts';
import { InferenceProcessor } from './inference/inference.processor.ts';
import { RunStatistics } from './inference/run-statistics.ts';
import { ServedModels } from './inference/served-models.ts';
import { PodDeletionCost } from './kubernetes/pod-deletion-cost.ts';
import { RegistrationProcessor } from './registration/registration.processor.ts';
import { CONFIG, LOGGER } from './tokens.ts';
import { WebhookProcessor } from './webhooks/webhook.processor.ts';

/** Work that keeps the threads busy until more has been fetched, with room for runs of many rows. */
const ENOUGH_WORK_MS = 50;
/** Deliveries of a job after which a model whose run hangs again is not run any more. */
const MAX_HUNG_DELIVERIES = 2;
/** What of the grace period is left for the runs of chunks that would outlast it: they are told then. At most half of it. */
const HAND_BACK_MS = 5_000;
/** How long handing back may take before the process ends. */
const GIVE_UP_MS = 5_000;

/**
 * The worker's life: *stopped* → `start` → *running* → `stop` → *stopped*.
 *
 * Shutdown order: consumers first (they take nothing new and finish what they have, within the grace period; chunks that would outlast it
 * stop between two runs, and what is left goes back into the queues), then the threads, which are idle by then, then the connections that carried the answers.
 */
@Injectable()
export class WorkerService {
  /** Of the lanes. */
  #lanes: QueueConsumer[] = [];
  #requests: RequestConsumer[] = [];
  /** Of the other queues. */
  #others: QueueConsumer[] = [];
  #notices: NoticeListener | undefined;
  #reporter: WorkerReporter | undefined;
  #podCost: PodDeletionCost | undefined;
  /** Queue jobs under way, of both lanes. */
  #jobs = 0;
  #running = false;

  constructor(
    @Inject(CONFIG) private readonly config: WorkerConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(WorkerConnections) private readonly connections: WorkerConnections,
    @Inject(InferencePool) private readonly pool: InferencePool,
    @Inject(MicroBatcher) private readonly batcher: MicroBatcher,
    @Inject(InferenceProcessor) private readonly inference: InferenceProcessor,
    @Inject(RegistrationProcessor) private readonly registration: RegistrationProcessor,
    @Inject(ServedModels) private readonly models: ServedModels,
    @Inject(RunStatistics) private readonly statistics: RunStatistics,
    @Inject(ChunkProcessor) private readonly chunks: ChunkProcessor,
    @Inject(BatchPlanner) private readonly planner: BatchPlanner,
    @Inject(BatchMaintenance) private readonly maintenance: BatchMaintenance,
    @Inject(DatasetThreads) private readonly datasets: DatasetThreads,
    @Inject(BatchWork) private readonly batches: BatchWork,
    @Inject(WebhookProcessor) private readonly webhooks: WebhookProcessor,
  ) {}

  /** True while the worker takes jobs. */
  get ready(): boolean {
    return this.#running;
  }

  async start(): Promise<void> {
    const { connections } = this;
    const { pool } = this.config;
    const { onError } = connections;
    this.#notices = new NoticeListener(this.config.queue, { onNotice: (notice) => this.#onNotice(notice), onError });
    this.#reporter = new WorkerReporter(connections, { pool, id: randomUUID(), slots: this.chunks.slots });
    const chunks = new ChunkConsumer({ handle: (delivered) => this.chunks.handle(delivered) });
    this.#lanes = LANES.map((lane) => this.#consumeLane(lane, lane === 'batch' ? [chunks] : []));
    const registrations = new RegistrationConsumer({
      handle: (job) => this.registration.handle(job),
      onFailed: (job, error) => this.registration.fail(job, error),
    });
    const planners = new PlannerConsumer({ handle: (job, signal) => this.planner.handle(job, signal) });
    const webhooks = new WebhookConsumer({
      handle: (job, attempt) => this.webhooks.handle(job, attempt),
      onGivenUp: (job, reason, attempts) => this.webhooks.giveUp(job, reason, attempts),
    });
    this.#others = [
      new QueueConsumer(connections, { queue: 'registration', consumers: [registrations] }),
      new QueueConsumer(connections, { queue: 'planner', consumers: [planners] }),
      new QueueConsumer(connections, { queue: 'webhooks', consumers: [webhooks] }),
    ];
    await Promise.all([...this.#lanes, ...this.#others].map((consumer) => consumer.ready()));
    this.maintenance.start();
    if (this.config.pod !== undefined) {
      this.#podCost = new PodDeletionCost({
        pod: this.config.pod,
        load: () => ({ requests: this.#jobs - this.chunks.active, chunks: this.chunks.active }),
        logger: this.logger,
      });
    }
    this.#running = true;
  }

  /** Takes the jobs of one lane: its requests, and what else is in it. */
  #consumeLane(lane: Lane, others: readonly ChunkConsumer[]): QueueConsumer {
    const { pool, concurrency } = this.config;
    const requests = new RequestConsumer(this.connections, {
      lane,
      handle: (delivered) => this.inference.handle(delivered),
    });
    this.#requests.push(requests);
    return new QueueConsumer(this.connections, {
      queue: { pool, lane },
      consumers: [requests, ...others],
      concurrency: concurrency[lane],
      hasRoom: () => this.#hasRoom(lane),
      handsBackLateJobs: true,
      onJob: (event, jobName) => {
        this.statistics.recordJob(laneQueueName(pool, lane), event);
        if (jobName === requests.jobName) this.#reporter?.record(lane, event === 'taken' ? 'taken' : 'ended');
        this.#jobs += event === 'taken' ? 1 : -1;
      },
    });
  }

  /** Answers whether everything was finished; if not, native code is still running in the threads. */
  async stop(): Promise<boolean> {
    this.#running = false;
    const graceMs = this.config.shutdownGraceMs;
    const consumers = [...this.#lanes, ...this.#others];
    this.#podCost?.close();
    await this.maintenance.stop();
    const late = setTimeout(() => this.chunks.handBack(), graceMs - Math.min(HAND_BACK_MS, graceMs / 2));
    // A registration may take minutes: it begins anew elsewhere rather than hold the shutdown up.
    this.registration.stop();
    const finished = await Promise.all(consumers.map((consumer) => consumer.close(graceMs)));
    clearTimeout(late);
    const drained = !finished.includes(false);
    await this.datasets.close();
    if (drained) await this.pool.close();
    await Promise.all([this.statistics.close(), this.#notices?.close(), this.#reporter?.close(), this.batches.close()]);
    await this.connections.close();
    return drained;
  }

  /**
   * Resolves when a run has taken so long that it counts as hung, after this worker's jobs have been handed back. The process must
   * end now: the thread cannot. The first time the run gets another chance, elsewhere; then the version is put in quarantine.
   */
  async hung(): Promise<void> {
    const run = await this.pool.hung;
    this.#running = false;
    // A Redis or a store that does not answer holds nothing up: locks run out by themselves.
    await Promise.race([this.#giveUp(run), new Promise((resolve) => setTimeout(resolve, GIVE_UP_MS))]);
  }

  async #giveUp({ file: { model: name, version }, runMs }: HungRun): Promise<void> {
    const deliveries = Math.max(0, ...this.#lanes.map((lane) => lane.deliveriesOf({ model: name, version })));
    const about = { model: name, version, runMs: Math.round(runMs), deliveries };
    this.logger.error(about, 'a run does not end: this worker ends, and its jobs go to others');
    const seconds = this.config.runtime.maxRunMs / 1_000;
    if (deliveries >= MAX_HUNG_DELIVERIES) {
      await this.models
        .quarantine(name, version, `${deliveries} runs in a row did not end within ${seconds} s`)
        .then(() => this.connections.notify({ kind: 'unload', model: name, version }))
        .catch((error: unknown) => this.logger.error({ err: error, ...about }, 'no quarantine'));
    }
    await Promise.all(this.#lanes.map((lane) => lane.requeueAll()));
  }

  #onNotice(notice: Notice): void {
    if (notice.kind === 'cancel') for (const requests of this.#requests) requests.cancel(notice.jobId);
    else if (notice.kind === 'give_up') for (const requests of this.#requests) requests.giveUp(notice.requestIds);
    else if (notice.kind === 'unload') void this.models.unload(notice.model, notice.version);
    else {
      if (notice.cancelled === true) this.chunks.cancel(notice.batchId);
      this.planner.notices.notify(notice.batchId);
    }
  }

  /** More jobs are taken as long as the threads could run out of work; of chunks only as many as there are slots. */
  #hasRoom(lane: Lane): boolean {
    if (lane === 'batch' && this.chunks.active >= this.chunks.slots) return false;
    return this.batcher.backlogMs < ENOUGH_WORK_MS;
  }
}
