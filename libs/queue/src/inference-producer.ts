import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { SconceError, deserializeError, toSconceError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import { BacklogGauge } from './backlog-gauge.ts';
import type { InferJob, Outcome, QueuedRequest, RegistrationJob, RequestTiming } from './job-contracts.ts';
import { JobRecords, jobNotFound, type IdempotencyClaim, type JobRecord, type JobStatus } from './job-records.ts';
import { Keys } from './keys.ts';
import { readModelStatistics, type ModelStatistics } from './model-statistics.ts';
import { publishNotice, type Notice } from './notices.ts';
import { packPayload, type StoredPayload } from './payload-store.ts';
import type { QueueConfig } from './queue-config.ts';
import { QUEUE_OPTIONS, REGISTRATION_QUEUE, laneQueueName, type Lane, type QueueKind } from './queue-names.ts';
import { closeRedis, connectRedis, onRedis } from './redis-connection.ts';
import { ReplyReader, type Reply } from './reply-channel.ts';
import { RequestCoalescer } from './request-coalescer.ts';

/** Tensors outlive their deadline by this much in Redis: clocks differ a little, and a late worker must see why. */
const PAYLOAD_GRACE_SECONDS = 60;
const MAX_JOBS_IN_FLIGHT = 4;
const MAX_REQUESTS_PER_JOB = 64;
const MAX_BYTES_PER_JOB = 1024 ** 2;

/** W3C trace context to continue. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** One request: checked against the model's signature by the caller. */
export interface InferenceRequest {
  readonly model: string;
  readonly version: string;
  readonly pool: string;
  /** In the signature's order. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs wanted, in order. */
  readonly outputs: readonly string[];
  readonly trace?: TraceContext;
}

export interface InferenceAnswer {
  readonly outputs: readonly Tensor[];
  readonly timing: RequestTiming;
}

/** How an asynchronous job is to be kept. */
export interface SubmitOptions {
  readonly lane: Lane;
  /** JSON kept with the job and given back with it. */
  readonly attachment?: unknown;
  readonly idempotency?: IdempotencyClaim;
}

export interface ProducerOptions {
  /** Hears of connection trouble. */
  readonly onError?: (error: Error) => void;
  /** Told of an answer that came when nobody waited for it any more (too late, or the second one). */
  readonly onLateReply?: () => void;
}

interface Outstanding {
  readonly id: string;
  readonly request: InferenceRequest;
  readonly acceptedAtMs: number;
  readonly deadlineMs: number;
  readonly bytes: number;
  readonly settle: (outcome: Outcome) => void;
}

/** A queue job whose answers have not all come: what is needed to add it again after Redis lost it. */
interface InFlightJob {
  readonly add: () => Promise<void>;
  readonly open: Set<string>;
  readonly freed: () => void;
}

/**
 * Submits inference work; what the API uses, and any other service of the house can.
 *
 * `infer` waits for the answer: requests of one model that wait together become one queue job, answers come back over
 * this producer's reply stream. `submit` leaves a durable job behind and returns its id at once.
 *
 * States: *open* (`connect`) → *closed* (`close`; what still waits for an answer is refused with `shutting_down`).
 * While Redis is away requests fail with `redis_unavailable` after some seconds; those already accepted are added
 * again once it is back (a job that is still there is not added twice, and a second answer is ignored).
 */
export class InferenceProducer {
  readonly #config: QueueConfig;
  readonly #keys: Keys;
  readonly #redis: Redis;
  readonly #replies: ReplyReader;
  readonly #replyStream: string;
  readonly #records: JobRecords;
  readonly #coalescer: RequestCoalescer<Outstanding>;
  readonly #queues = new Map<string, { queue: Queue; backlog: BacklogGauge }>();
  readonly #outstanding = new Map<string, Outstanding>();
  readonly #inFlight = new Map<string, InFlightJob>();
  /** Request id → the queue job it went into. */
  readonly #jobOf = new Map<string, string>();
  readonly #onError: (error: Error) => void;
  readonly #onLateReply: () => void;
  #outstandingBytes = 0;
  #closed = false;

  /** Connects; does not wait for Redis to be there. */
  constructor(config: QueueConfig, options: ProducerOptions = {}) {
    this.#config = config;
    this.#keys = new Keys(config.keyPrefix);
    this.#onError = options.onError ?? (() => undefined);
    this.#onLateReply = options.onLateReply ?? (() => undefined);
    this.#redis = connectRedis(config.redisUrl, 'command', this.#onError);
    this.#replyStream = this.#keys.replies(randomUUID());
    this.#replies = new ReplyReader({
      redis: connectRedis(config.redisUrl, 'patient', this.#onError),
      stream: this.#replyStream,
      onReply: (reply) => this.#onReply(reply),
    });
    this.#replies.start();
    this.#records = new JobRecords({ redis: this.#redis, keys: this.#keys, resultTtlSeconds: config.resultTtlSeconds });
    this.#coalescer = new RequestCoalescer({
      maxJobsInFlight: MAX_JOBS_IN_FLIGHT,
      maxRequestsPerJob: MAX_REQUESTS_PER_JOB,
      maxBytesPerJob: MAX_BYTES_PER_JOB,
      send: (_line, items) => this.#sendJob(items),
    });
    let connectedBefore = false;
    this.#redis.on('ready', () => {
      if (connectedBefore) for (const job of this.#inFlight.values()) job.add().catch(this.#onError);
      connectedBefore = true;
    });
  }

  /** Requests that wait for an answer. */
  get outstanding(): number {
    return this.#outstanding.size;
  }

  /**
   * Runs a request and waits for its answer. Rejects with what the worker reported, `queue_full`, `deadline_exceeded`,
   * `redis_unavailable`, or `job_cancelled` once `signal` is aborted (the caller has gone).
   */
  async infer(
    request: InferenceRequest,
    options: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<InferenceAnswer> {
    const bytes = request.inputs.reduce((sum, input) => sum + input.data.byteLength, 0);
    await this.#admit(request.pool, 'online', bytes);
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const line = `${request.pool}/${request.model}/${request.version}`;
    const id = randomUUID();
    const acceptedAtMs = Date.now();
    const settle = (outcome: Outcome): void => {
      if (!this.#outstanding.delete(id)) return;
      this.#outstandingBytes -= bytes;
      resolve(outcome);
    };
    const outstanding: Outstanding = { id, request, acceptedAtMs, deadlineMs: options.deadlineMs, bytes, settle };
    const giveUp = (error: SconceError): void => {
      this.#coalescer.remove(line, outstanding);
      settle({ ok: false, error: error.toJSON() });
    };
    const timer = setTimeout(
      () => giveUp(new SconceError('deadline_exceeded', "No answer came within the request's timeout.")),
      Math.max(0, options.deadlineMs - acceptedAtMs),
    );
    const onAbort = (): void => giveUp(new SconceError('job_cancelled', 'The caller has gone.'));
    this.#outstanding.set(id, outstanding);
    this.#outstandingBytes += bytes;
    options.signal?.addEventListener('abort', onAbort, { once: true });
    if (options.signal?.aborted === true) onAbort();
    else this.#coalescer.add(line, outstanding);
    try {
      const outcome = await promise;
      if (!outcome.ok) throw deserializeError(outcome.error);
      return outcome;
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      this.#forgetInFlight(id);
    }
  }

  /**
   * Queues a durable job and returns its id; `replayed` where the idempotency key was seen before.
   * Throws `queue_full`, `idempotency_conflict`, `redis_unavailable`.
   */
  async submit(request: InferenceRequest, options: SubmitOptions): Promise<{ id: string; replayed: boolean }> {
    const { jobTtlSeconds } = this.#config;
    const fresh = randomUUID();
    return onRedis('accept the job', async () => {
      const claim = options.idempotency;
      const id = claim === undefined ? fresh : await this.#records.claim(claim, fresh, jobTtlSeconds);
      if (id !== fresh && (await this.#records.get(id)) !== undefined) return { id, replayed: true };
      try {
        await this.#admit(request.pool, options.lane, 0);
        const createdAtMs = Date.now();
        const { model, version } = request;
        await this.#records.create({ id, model, version, createdAtMs, attachment: options.attachment }, jobTtlSeconds);
        const queued = queuedRequest(id, request, { acceptedAtMs: createdAtMs, durable: true });
        const payload = packPayload(this.#keys, id, request.inputs);
        const data: InferJob = { v: 1, model, version, requests: [queued], payload: payload.reference };
        await this.#add(request.pool, options.lane, { id, data, payload, ttlSeconds: jobTtlSeconds });
      } catch (error) {
        if (id === fresh) {
          await Promise.allSettled([this.#records.forget(id), claim && this.#records.unclaim(claim)]);
        }
        throw error;
      }
      return { id, replayed: id !== fresh };
    });
  }

  /** A job's state. Throws `job_not_found`. */
  async job(id: string): Promise<JobRecord> {
    const record = await onRedis('look the job up', () => this.#records.get(id));
    if (record === undefined) throw jobNotFound(id);
    return record;
  }

  /** A succeeded job's outputs. Throws `job_not_found` where they have expired. */
  async result(id: string): Promise<readonly Tensor[]> {
    const outputs = await onRedis('fetch the result', () => this.#records.result(id));
    if (outputs === undefined) throw jobNotFound(id);
    return outputs;
  }

  /** Cancels a job: unrun if it waits, its answer dropped if it runs. Answers the status it then has. */
  async cancel(id: string): Promise<JobStatus> {
    return onRedis('cancel the job', async () => {
      const status = await this.#records.cancel(id);
      if (status === 'cancelled') await publishNotice(this.#redis, this.#keys, { kind: 'cancel', jobId: id });
      return status;
    });
  }

  /** Queues the proof of a model version that has been stored. */
  async register(job: RegistrationJob): Promise<void> {
    await onRedis('queue the registration', async () => {
      await this.#queue(REGISTRATION_QUEUE).queue.add('register', job, jobOptions('registration'));
    });
  }

  /** Tells every worker. */
  async notify(notice: Notice): Promise<void> {
    await onRedis('tell the workers', () => publishNotice(this.#redis, this.#keys, notice));
  }

  /** A version's totals over all workers. */
  async statistics(model: string, version: string): Promise<ModelStatistics> {
    return onRedis('read the statistics', () => readModelStatistics(this.#redis, this.#keys, model, version));
  }

  /** Jobs waiting in each queue this producer has used. */
  async backlogs(): Promise<readonly { readonly queue: string; readonly jobs: number }[]> {
    const entries = [...this.#queues].map(async ([queue, { backlog }]) => ({ queue, jobs: await backlog.waiting() }));
    return onRedis('count the backlog', () => Promise.all(entries));
  }

  /** Whether Redis answers now. */
  async ping(): Promise<boolean> {
    if (this.#redis.status !== 'ready') return false;
    return this.#redis.ping().then(
      () => true,
      () => false,
    );
  }

  /** Refuses what still waits, closes the connections. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const error = new SconceError('shutting_down', 'The server is shutting down; send the request again.').toJSON();
    for (const outstanding of [...this.#outstanding.values()]) outstanding.settle({ ok: false, error });
    await this.#replies.stop();
    await Promise.all([...this.#queues.values()].map(({ queue }) => queue.close().catch(this.#onError)));
    if (this.#redis.status === 'ready') await this.#redis.unlink(this.#replyStream).catch(this.#onError);
    await closeRedis(this.#redis);
  }

  async #admit(pool: string, lane: Lane, bytes: number): Promise<void> {
    if (this.#closed) throw new SconceError('shutting_down', 'The server is shutting down; send the request again.');
    const { maxOutstanding, maxOutstandingBytes, maxBacklog } = this.#config;
    if (lane === 'online' && this.#outstanding.size >= maxOutstanding) {
      throw full(`${maxOutstanding} requests are already waiting for an answer`, 1);
    }
    if (this.#outstandingBytes + bytes > maxOutstandingBytes && this.#outstanding.size > 0) {
      throw full(`${maxOutstandingBytes} bytes of requests are already waiting for an answer`, 1);
    }
    const { backlog } = this.#queue(laneQueueName(pool, lane));
    if ((await onRedis('count the backlog', () => backlog.waiting())) >= maxBacklog) {
      throw full(`${maxBacklog} jobs are already waiting in the ${lane} lane`, backlog.retryAfterSeconds(maxBacklog));
    }
  }

  /** Sends one merged job; settles when every request of it has been answered or given up. */
  #sendJob(items: readonly Outstanding[]): Promise<void> {
    const first = items[0];
    if (first === undefined) return Promise.resolve();
    const id = randomUUID();
    const { model, version, pool } = first.request;
    const payload = packPayload(
      this.#keys,
      id,
      items.flatMap((item) => item.request.inputs),
    );
    const data: InferJob = {
      v: 1,
      model,
      version,
      replyTo: this.#replyStream,
      requests: items.map((item) =>
        queuedRequest(item.id, item.request, {
          acceptedAtMs: item.acceptedAtMs,
          deadlineMs: item.deadlineMs,
          durable: false,
        }),
      ),
      payload: payload.reference,
    };
    const latestMs = Math.max(...items.map((item) => item.deadlineMs));
    const ttlSeconds = Math.max(1, Math.ceil((latestMs - Date.now()) / 1_000)) + PAYLOAD_GRACE_SECONDS;
    const { promise, resolve } = Promise.withResolvers<void>();
    const add = (): Promise<void> => this.#add(pool, 'online', { id, data, payload, ttlSeconds });
    this.#inFlight.set(id, { add, open: new Set(items.map((item) => item.id)), freed: resolve });
    for (const item of items) this.#jobOf.set(item.id, id);
    onRedis('accept the request', add).catch((error: unknown) => {
      const failure = toSconceError(error).toJSON();
      for (const item of items) item.settle({ ok: false, error: failure });
    });
    return promise;
  }

  #forgetInFlight(requestId: string): void {
    const jobId = this.#jobOf.get(requestId);
    if (jobId === undefined) return;
    this.#jobOf.delete(requestId);
    const job = this.#inFlight.get(jobId);
    job?.open.delete(requestId);
    if (job?.open.size !== 0) return;
    this.#inFlight.delete(jobId);
    job.freed();
  }

  #onReply(reply: Reply): void {
    const outstanding = this.#outstanding.get(reply.id);
    if (outstanding === undefined) this.#onLateReply();
    else outstanding.settle(reply.outcome);
  }

  async #add(pool: string, lane: Lane, job: PackedJob): Promise<void> {
    const { queue, backlog } = this.#queue(laneQueueName(pool, lane));
    const { beside } = job.payload;
    // One connection keeps the order: the tensors are there before the job is.
    const stored = beside && this.#redis.set(beside.key, beside.bytes, 'EX', job.ttlSeconds);
    await Promise.all([stored, queue.add('infer', job.data, { ...jobOptions(lane), jobId: job.id })]);
    backlog.noteAdded();
  }

  #queue(name: string): { queue: Queue; backlog: BacklogGauge } {
    let entry = this.#queues.get(name);
    if (entry === undefined) {
      const queue = new Queue(name, {
        connection: this.#redis,
        prefix: this.#keys.bullmq,
        // While Redis is away commands must fail in time, not wait for it.
        skipWaitingForReady: true,
      });
      queue.on('error', this.#onError);
      const backlog = new BacklogGauge(async () => {
        const counts = await queue.getJobCounts('wait', 'prioritized', 'delayed');
        return Object.values(counts).reduce((sum, count) => sum + count, 0);
      });
      entry = { queue, backlog };
      this.#queues.set(name, entry);
    }
    return entry;
  }
}

interface PackedJob {
  readonly id: string;
  readonly data: InferJob;
  readonly payload: StoredPayload;
  readonly ttlSeconds: number;
}

function queuedRequest(
  id: string,
  request: InferenceRequest,
  own: Pick<QueuedRequest, 'acceptedAtMs' | 'deadlineMs' | 'durable'>,
): QueuedRequest {
  const { inputs, outputs, trace } = request;
  return { id, inputs: inputs.length, outputs: [...outputs], ...own, ...(trace ? { trace } : {}) };
}

function jobOptions(kind: QueueKind) {
  const { attempts, backoff, removeOnComplete, removeOnFail } = QUEUE_OPTIONS[kind];
  return { attempts, backoff, removeOnComplete, removeOnFail };
}

function full(why: string, retryAfterSeconds: number): SconceError {
  return new SconceError('queue_full', `Too much is waiting: ${why}. Try again in ${retryAfterSeconds} s.`, {
    details: { retryAfterSeconds },
  });
}
