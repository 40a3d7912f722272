import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { LANES, type Lane } from '@sconce/contracts';
import {
  ChunkConsumer,
  DeadWorkerJobs,
  FailedJobs,
  LostJobs,
  PlannerConsumer,
  QueueConsumer,
  RegistrationConsumer,
  RequestConsumer,
  StreamConsumer,
  WebhookConsumer,
  WorkerConnections,
  WorkerReporter,
  laneQueueName,
  type OwnedQueue,
} from '@sconce/queue';
import { MicroBatcher } from '@sconce/runtime';
import { InferenceProcessor, RunStatistics } from '@sconce/serving';
import type { BlobStore } from '@sconce/storage';
import type { Logger } from '@sconce/telemetry';
import { BatchPlanner } from './batches/batch-planner.ts';
import { ChunkProcessor } from './batches/chunk.processor.ts';
import type { WorkerConfig } from './config.ts';
import { RegistrationProcessor } from './registration/registration.processor.ts';
import { BLOB_STORE, CONFIG, LOGGER } from './tokens.ts';
import { WebhookProcessor } from './webhooks/webhook.processor.ts';

/** Work that keeps the threads busy until more jobs have been fetched. Runs of many rows are included. */
const ENOUGH_WORK_MS = 50;

/** The queue of a lane, with the consumer of its requests. */
interface OwnedLane extends OwnedQueue {
  readonly queue: { readonly pool: string; readonly lane: Lane };
  readonly requests: RequestConsumer;
}

/**
 * Connects each queue to the processor of its jobs, and has what lies in their failed sets ended.
 *
 * States: *stopped* → `start` → *consuming* → `close` (takes no more jobs, waits for the active ones) → *closed*.
 */
@Injectable()
export class WorkerConsumers {
  /** The consumers of the online and the batch lane. */
  #lanes: readonly QueueConsumer[] = [];
  #requests: readonly RequestConsumer[] = [];
  /** The consumer of the pool's stream: online requests whose callers wait. */
  #stream: StreamConsumer | undefined;
  #others: readonly QueueConsumer[] = [];
  #failed: FailedJobs | undefined;
  #dead: DeadWorkerJobs | undefined;
  #lost: LostJobs | undefined;
  #reporter: WorkerReporter | undefined;
  #laneJobs = 0;

  constructor(
    @Inject(CONFIG) private readonly config: Pick<WorkerConfig, 'pool' | 'concurrency' | 'runtime'>,
    @Inject(WorkerConnections) private readonly connections: WorkerConnections,
    @Inject(MicroBatcher) private readonly batcher: MicroBatcher,
    @Inject(RunStatistics) private readonly statistics: RunStatistics,
    @Inject(InferenceProcessor) private readonly inference: InferenceProcessor,
    @Inject(ChunkProcessor) private readonly chunks: ChunkProcessor,
    @Inject(RegistrationProcessor) private readonly registration: RegistrationProcessor,
    @Inject(BatchPlanner) private readonly planner: BatchPlanner,
    @Inject(WebhookProcessor) private readonly webhooks: WebhookProcessor,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(BLOB_STORE) private readonly store: BlobStore,
  ) {}

  /** Jobs of both lanes in flight: entries of the stream, queue jobs with requests, and chunks. */
  get laneJobs(): number {
    return this.#laneJobs;
  }

  /** Starts to take jobs. Resolves when all consumers are connected. */
  async start(): Promise<void> {
    const { connections, store } = this;
    const { pool, runtime } = this.config;
    const { slots } = this.chunks;
    this.#reporter = new WorkerReporter(connections, { pool, id: randomUUID(), slots, threads: runtime.threads });
    const requests = LANES.map((lane) => {
      const consumer = new RequestConsumer(connections, {
        lane,
        handle: (request) => this.inference.handle(request),
        store,
      });
      return { lane, consumer };
    });
    const chunks = new ChunkConsumer({
      handle: (chunk) => this.chunks.handle(chunk),
      abandon: (job, error) => this.chunks.abandon(job, error),
    });
    const registrations = new RegistrationConsumer({
      handle: (job) => this.registration.handle(job),
      onFailed: (job, error) => this.registration.fail(job, error),
    });
    const planners = new PlannerConsumer({ handle: (job, signal) => this.planner.handle(job, signal) });
    const webhooks = new WebhookConsumer({
      handle: (job, attempt) => this.webhooks.handle(job, attempt),
      onGivenUp: (job, reason, attempts) => this.webhooks.giveUp(job, reason, attempts),
    });
    this.#requests = requests.map(({ consumer }) => consumer);
    const lanes = requests.map(({ lane, consumer }) => ({
      queue: { pool, lane },
      consumers: lane === 'batch' ? [consumer, chunks] : [consumer],
      requests: consumer,
    }));
    const others: readonly OwnedQueue[] = [
      { queue: 'registration', consumers: [registrations] },
      { queue: 'planner', consumers: [planners] },
      { queue: 'webhooks', consumers: [webhooks] },
    ];
    this.#lanes = lanes.map((lane) => this.#consumeLane(lane));
    this.#others = others.map((owned) => new QueueConsumer(connections, owned));
    this.#failed = new FailedJobs(connections, {
      queues: [...lanes, ...others],
      onEnded: (ended) => this.logger.warn(ended, 'a failed job was ended'),
    });
    this.#failed.start();
    this.#dead = new DeadWorkerJobs(connections, this.#queues);
    this.#dead.start();
    this.#lost = new LostJobs(connections, {
      consumers: this.#requests,
      onEnded: (job) => this.logger.warn({ job }, 'a job was ended: its queue job is missing'),
    });
    this.#lost.start();
    this.#stream = this.#consumeStream();
    await Promise.all([this.#stream.start(), ...this.#queues.map((consumer) => consumer.ready())]);
  }

  #consumeStream(): StreamConsumer {
    const { pool } = this.config;
    const queue = laneQueueName(pool, 'online');
    return new StreamConsumer(this.connections, {
      pool,
      handle: (request) => this.inference.handle(request),
      hasRoom: () => this.#hasRoom('online'),
      onEntry: (event) => {
        this.statistics.recordJob(queue, event);
        this.#reporter?.record('online', event === 'taken' ? 'taken' : 'ended');
        this.#laneJobs += event === 'taken' ? 1 : -1;
      },
    });
  }

  #consumeLane({ queue, consumers, requests }: OwnedLane): QueueConsumer {
    const { concurrency } = this.config;
    const { pool, lane } = queue;
    return new QueueConsumer(this.connections, {
      queue,
      consumers,
      concurrency: concurrency[lane],
      hasRoom: () => this.#hasRoom(lane),
      handsBackLateJobs: true,
      onJob: (event, jobName) => {
        this.statistics.recordJob(laneQueueName(pool, lane), event);
        if (jobName === requests.jobName) this.#reporter?.record(lane, event === 'taken' ? 'taken' : 'ended');
        this.#laneJobs += event === 'taken' ? 1 : -1;
      },
    });
  }

  /** Aborts a request that is being handled. */
  cancel(requestId: string): void {
    for (const requests of this.#requests) requests.cancel(requestId);
  }

  /** Drops requests whose callers have gone. */
  giveUp(requestIds: readonly string[]): void {
    for (const requests of this.#requests) requests.giveUp(requestIds);
    this.#stream?.giveUp(requestIds);
  }

  /** Returns the active jobs of both lanes to where they came from, because this process ends abnormally. */
  async requeueAll(): Promise<void> {
    await Promise.all([this.#stream?.requeueAll(), ...this.#lanes.map((lane) => lane.requeueAll())]);
  }

  /** Takes no more jobs and waits for the active ones, at most `graceMs`. Returns whether all of them ended. */
  async close(graceMs: number): Promise<boolean> {
    this.#dead?.stop();
    await this.#failed?.close();
    const closing = Promise.all([this.#stream, ...this.#queues].map((consumer) => consumer?.close(graceMs)));
    // Until all have ended, it announces the jobs that still run.
    const ended = await closing.finally(() => this.#lost?.stop());
    return !ended.includes(false);
  }

  /** Deletes this worker's report. To be called after `close`. */
  async closeReporter(): Promise<void> {
    await this.#reporter?.close();
  }

  get #queues(): readonly QueueConsumer[] {
    return [...this.#lanes, ...this.#others];
  }

  /** Whether another job should be taken: while the threads could run out of work, and at most as many chunks as there are slots. */
  #hasRoom(lane: Lane): boolean {
    if (lane === 'batch' && this.chunks.active >= this.chunks.slots) return false;
    return this.batcher.backlogMs < ENOUGH_WORK_MS;
  }
}
