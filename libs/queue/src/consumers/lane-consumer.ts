import { DelayedError, Worker, UnrecoverableError, WaitingError, type Job } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Lane, RequestTiming } from '@sconce/contracts';
import { ERROR_POLICY, SconceError, toSconceError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import { chunkJobSchema, type ChunkJob } from '../batches/batch-contracts.ts';
import { inferJobSchema, type InferJob, type Outcome, type QueuedRequest } from '../job-contracts.ts';
import { handBack, isOfNewerRelease, leaveToNewerRelease, putBack } from './hand-back.ts';
import { JobRecords } from '../records/job-records.ts';
import { Keys } from '../redis/keys.ts';
import { publishNotice, type Notice } from '../messages/notices.ts';
import { dropPayload, readPayload } from '../messages/payload-store.ts';
import type { QueueConfig } from '../queue-config.ts';
import { MAX_DELIVERIES, QUEUE_OPTIONS, laneQueueName } from '../queue-names.ts';
import { connectRedis, disconnectCopies } from '../redis/redis-connection.ts';
import { closeWorker } from './close-worker.ts';
import { ReplyWriter } from '../messages/reply-channel.ts';

/** Requests that are remembered to have nobody waiting for them. */
const MAX_GONE = 10_000;

/** A request as a worker gets it. */
export interface DeliveredRequest {
  readonly model: string;
  readonly version: string;
  readonly lane: Lane;
  readonly request: QueuedRequest;
  readonly inputs: readonly Tensor[];
  /** Epoch ms at which the job was taken from the queue. */
  readonly takenAtMs: number;
  /** 1 for the first delivery. */
  readonly delivery: number;
  /** Requests that came in the same job. */
  readonly jobRequests: number;
  /** Aborted when the job is cancelled. */
  readonly signal: AbortSignal;
}

/** Does the work; what it throws is the request's error, run again where that error's policy says so. */
export type RequestHandler = (
  delivered: DeliveredRequest,
) => Promise<{ outputs: readonly Tensor[]; timing: RequestTiming }>;

/** A chunk as a worker gets it. */
export interface DeliveredChunk {
  readonly job: ChunkJob;
  /** Epoch ms at which it was added. */
  readonly addedAtMs: number;
  /** Epoch ms at which the job was taken from the queue. */
  readonly takenAtMs: number;
  /** 1 for the first delivery. */
  readonly delivery: number;
}

export interface LaneConsumerOptions {
  readonly config: QueueConfig;
  readonly pool: string;
  readonly lane: Lane;
  /** Queue jobs under way at once. */
  readonly concurrency: number;
  readonly handle: RequestHandler;
  /**
   * Scores a chunk, and sees to it that its results count; what it throws has the chunk delivered again: `shutting_down` at once and as if
   * it had never been taken. Of the batch lane only.
   */
  readonly handleChunk?: (delivered: DeliveredChunk) => Promise<void>;
  readonly onError: (error: Error) => void;
  /** Whether more jobs should be taken beside those under way; one is at any time. Asked whenever one is taken or has ended. */
  readonly hasRoom?: () => boolean;
  /**
   * Told when a queue job is taken, and when it has ended: answered, left to another delivery, or to another worker (by a shutdown, or as one
   * of a newer release); and what it holds.
   */
  readonly onJob?: (event: 'taken' | 'answered' | 'retried' | 'handed_back', holds: 'requests' | 'chunk') => void;
}

/**
 * Takes one lane's jobs, has each request handled, and answers it: over the reply stream, into the job record, or both.
 *
 * States: *consuming* (constructor) → *draining* (`close`: takes nothing new, finishes what it has) → *closed*.
 * A request is answered before its queue job is completed: a worker that dies in between leads to a second answer,
 * which producer and record ignore, never to none.
 */
export class LaneConsumer {
  readonly #options: LaneConsumerOptions;
  readonly #keys: Keys;
  readonly #redis: Redis;
  readonly #worker: Worker<InferJob | ChunkJob>;
  readonly #records: JobRecords;
  readonly #replies: ReplyWriter;
  readonly #cancels = new Map<string, AbortController>();
  /** Requests that nobody waits for and that have not come here, the latest ones. */
  readonly #gone = new Set<string>();
  readonly #active = new Set<Job<InferJob | ChunkJob>>();

  constructor(options: LaneConsumerOptions) {
    const { config, pool, lane } = options;
    const { lockDuration, stalledInterval, maxStalledCount, drainDelay, removeOnComplete, removeOnFail } =
      QUEUE_OPTIONS[lane];
    this.#options = options;
    this.#keys = new Keys(config.keyPrefix);
    this.#redis = connectRedis(config.redisUrl, 'patient', options.onError);
    this.#records = new JobRecords({ redis: this.#redis, keys: this.#keys, resultTtlSeconds: config.resultTtlSeconds });
    this.#replies = new ReplyWriter(this.#redis);
    this.#worker = new Worker<InferJob | ChunkJob>(laneQueueName(pool, lane), (job) => this.#take(job), {
      connection: this.#redis,
      prefix: this.#keys.bullmq,
      concurrency: options.concurrency,
      lockDuration,
      stalledInterval,
      maxStalledCount,
      drainDelay,
      removeOnComplete: removeOnComplete === true ? { count: 0 } : (removeOnComplete as { count: number }),
      removeOnFail: removeOnFail as { count: number },
    });
    this.#worker.on('error', options.onError);
  }

  /** Resolves when the consumer is connected and takes jobs. */
  async ready(): Promise<void> {
    await this.#worker.waitUntilReady();
  }

  /** Nobody wants this job any more. */
  cancel(jobId: string): void {
    this.#cancels.get(jobId)?.abort();
  }

  /**
   * Takes nothing new and finishes what it has, at most `graceMs`; what is left then is put back into the queue. Answers whether everything
   * was finished.
   */
  async close(graceMs: number): Promise<boolean> {
    return closeWorker(this.#worker, {
      redis: this.#redis,
      graceMs,
      activeJobs: () => this.#active.size,
      handBack: async () => {
        await Promise.all([...this.#active].map((job) => putBack(job, this.#from).catch(this.#options.onError)));
      },
    });
  }

  /** The callers of these requests have gone: those here are dropped unrun, those that come later are not begun. */
  giveUp(requestIds: readonly string[]): void {
    for (const id of requestIds) {
      const cancel = this.#cancels.get(id);
      if (cancel === undefined) this.#gone.add(id);
      else cancel.abort();
    }
    for (const id of this.#gone) {
      if (this.#gone.size <= MAX_GONE) break;
      this.#gone.delete(id);
    }
  }

  /** How often the job of this model that was delivered most often, of those under way here, has been; 0 where there is none. */
  deliveries(model: string, version: string): number {
    const own = [...this.#active].filter(({ data }) => data.model === model && data.version === version);
    return Math.max(0, ...own.map((job) => job.attemptsStarted));
  }

  /** Puts every job under way back into the queue: this process is about to end, and others need not wait for its locks. */
  async handBack(): Promise<void> {
    await this.#worker.pause(true);
    // It may be waiting for a job: the first one handed back would come to it again.
    await disconnectCopies(this.#redis);
    await Promise.all([...this.#active].map((job) => job.moveToWait(job.token).catch(this.#options.onError)));
  }

  get #from(): { readonly redis: Redis; readonly worker: Worker } {
    return { redis: this.#redis, worker: this.#worker };
  }

  /** Tells every worker, this one too. */
  async notify(notice: Notice): Promise<void> {
    await publishNotice(this.#redis, this.#keys, notice);
  }

  async #take(job: Job<InferJob | ChunkJob>): Promise<void> {
    this.#active.add(job);
    const holds = job.name === 'chunk' ? 'chunk' : 'requests';
    this.#options.onJob?.('taken', holds);
    try {
      await this.#process(job);
      this.#options.onJob?.('answered', holds);
    } catch (error) {
      const left = error instanceof WaitingError || error instanceof DelayedError;
      this.#options.onJob?.(left ? 'handed_back' : 'retried', holds);
      throw error;
    } finally {
      this.#active.delete(job);
      this.#adjust();
    }
  }

  /** What a busy worker takes, an idle one elsewhere cannot: it takes no more than keeps its threads busy. */
  #adjust(): void {
    const { concurrency, hasRoom } = this.#options;
    this.#worker.concurrency = (hasRoom?.() ?? true) ? concurrency : Math.max(1, this.#active.size);
  }

  async #process(job: Job<InferJob | ChunkJob>): Promise<void> {
    const takenAtMs = performance.timeOrigin + performance.now();
    if (isOfNewerRelease(job)) throw await leaveToNewerRelease(job, this.#from);
    if (job.name === 'chunk') {
      await this.#processChunk(job, takenAtMs);
      return;
    }
    const parsed = inferJobSchema.safeParse(job.data);
    if (!parsed.success) {
      throw new UnrecoverableError(`The job does not keep the contract: ${parsed.error.message}`);
    }
    const data = parsed.data;
    const delivery = job.attemptsStarted;
    if (delivery > MAX_DELIVERIES) {
      const error = new SconceError(
        'worker_lost',
        `${MAX_DELIVERIES} workers ended while they ran this; it is not tried again.`,
      );
      await this.#settleAll(data, error);
    } else {
      await this.#run(data, { takenAtMs, delivery });
    }
    await dropPayload(this.#redis, data.payload);
  }

  async #processChunk(job: Job, takenAtMs: number): Promise<void> {
    const { handleChunk } = this.#options;
    const parsed = chunkJobSchema.safeParse(job.data);
    if (!parsed.success || handleChunk === undefined) {
      throw new UnrecoverableError(`The job does not keep the contract: ${parsed.error?.message ?? 'no chunks here'}`);
    }
    this.#adjust();
    try {
      await handleChunk({ job: parsed.data, addedAtMs: job.timestamp, takenAtMs, delivery: job.attemptsStarted });
    } catch (error) {
      if (toSconceError(error).code !== 'shutting_down') throw error;
      throw await handBack(job, this.#from);
    }
  }

  async #run(data: InferJob, context: { takenAtMs: number; delivery: number }): Promise<void> {
    let tensors: readonly Tensor[];
    try {
      tensors = await readPayload(this.#redis, data.payload);
    } catch (error) {
      await this.#settleAll(data, toSconceError(error));
      return;
    }
    // By then its requests have been handed over, where their model is known.
    setImmediate(() => {
      this.#adjust();
    });
    let next = 0;
    const again: SconceError[] = [];
    await Promise.all(
      data.requests.map(async (request) => {
        const inputs = tensors.slice(next, next + request.inputs);
        next += request.inputs;
        const error = await this.#runOne(data, request, inputs, context);
        if (error !== undefined) again.push(error);
      }),
    );
    // BullMQ delivers the job again; those of its requests that are answered already ignore the second answer.
    if (again[0] !== undefined) throw again[0];
  }

  /** Handles and answers one request; returns the error where the job has to be delivered again. */
  async #runOne(
    data: InferJob,
    request: QueuedRequest,
    inputs: readonly Tensor[],
    context: { takenAtMs: number; delivery: number },
  ): Promise<SconceError | undefined> {
    if (this.#gone.delete(request.id)) return undefined;
    const abort = new AbortController();
    this.#cancels.set(request.id, abort);
    if (request.durable) {
      if (!(await this.#records.start(request.id))) {
        this.#cancels.delete(request.id);
        return undefined;
      }
    }
    try {
      if (request.deadlineMs !== undefined && Date.now() > request.deadlineMs) {
        throw new SconceError('deadline_exceeded', 'The request waited in the queue past its timeout.');
      }
      const { outputs, timing } = await this.#options.handle({
        model: data.model,
        version: data.version,
        lane: this.#options.lane,
        request,
        inputs,
        signal: abort.signal,
        jobRequests: data.requests.length,
        ...context,
      });
      await this.#settle(data, request, { ok: true, outputs, timing });
    } catch (thrown) {
      const error = toSconceError(thrown);
      if (ERROR_POLICY[error.code].retry === 'backoff' && context.delivery < MAX_DELIVERIES) return error;
      await this.#settle(data, request, { ok: false, error: error.toJSON() });
    } finally {
      this.#cancels.delete(request.id);
    }
    return undefined;
  }

  async #settleAll(data: InferJob, error: SconceError): Promise<void> {
    const outcome: Outcome = { ok: false, error: error.toJSON() };
    await Promise.all(data.requests.map((request) => this.#settle(data, request, outcome)));
  }

  async #settle(data: InferJob, request: QueuedRequest, outcome: Outcome): Promise<void> {
    if (request.durable) await this.#records.finish(request.id, outcome);
    if (data.replyTo !== undefined) await this.#replies.write(data.replyTo, { id: request.id, outcome });
  }
}
