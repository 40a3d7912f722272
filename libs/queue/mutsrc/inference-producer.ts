import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { SconceError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import { toQueuedRequest, type InferenceAnswer, type InferenceRequest } from './inference-request.ts';
import type { InferJob, RegistrationJob } from './job-contracts.ts';
import { JobRecords, jobNotFound, type IdempotencyClaim, type JobRecord, type JobStatus } from './job-records.ts';
import { Keys } from './keys.ts';
import { LaneQueues } from './lane-queues.ts';
import { readModelStatistics, type ModelStatistics } from './model-statistics.ts';
import { publishNotice, type Notice } from './notices.ts';
import { OnlineRequests } from './online-requests.ts';
import { packPayload } from './payload-store.ts';
import type { QueueConfig } from './queue-config.ts';
import type { Lane } from './queue-names.ts';
import { closeRedis, connectRedis, onRedis } from './redis-connection.ts';
import { ReplyReader } from './reply-channel.ts';

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

/**
 * Submits inference work; what the API uses, and any other service of the house can.
 *
 * `infer` waits for the answer: requests of one model that wait together become one queue job, answers come back over
 * this producer's reply stream. `submit` leaves a durable job behind and returns its id at once.
 *
 * States: *open* (constructor; it does not wait for Redis to be there) → *closed* (`close`; what still waits for an
 * answer is refused with `shutting_down`). While Redis is away requests fail with `redis_unavailable` after some seconds;
 * those already accepted are added again once it is back (a job that is still there is not added twice, and a second
 * answer is ignored).
 */
export class InferenceProducer {
  readonly #config: QueueConfig;
  readonly #keys: Keys;
  readonly #redis: Redis;
  readonly #replyStream: string;
  readonly #replies: ReplyReader;
  readonly #records: JobRecords;
  readonly #queues: LaneQueues;
  readonly #online: OnlineRequests;
  readonly #onError: (error: Error) => void;
  #closed = false;

  constructor(config: QueueConfig, options: ProducerOptions = {}) {
    const { redisUrl, keyPrefix, maxBacklog, maxOutstanding, maxOutstandingBytes, resultTtlSeconds } = config;
    const onError = options.onError ?? (() => undefined);
    this.#config = config;
    this.#onError = onError;
    this.#keys = new Keys(keyPrefix);
    this.#redis = connectRedis(redisUrl, 'command', onError);
    this.#replyStream = this.#keys.replies(randomUUID());
    this.#records = new JobRecords({ redis: this.#redis, keys: this.#keys, resultTtlSeconds });
    this.#queues = new LaneQueues({ redis: this.#redis, keys: this.#keys, maxBacklog, onError });
    this.#online = new OnlineRequests({
      queues: this.#queues,
      keys: this.#keys,
      replyStream: this.#replyStream,
      maxOutstanding,
      maxOutstandingBytes,
      onLateReply: options.onLateReply ?? (() => undefined),
    });
    this.#replies = new ReplyReader({
      redis: connectRedis(redisUrl, 'patient', onError),
      stream: this.#replyStream,
      onReply: (reply) => {
        this.#online.onReply(reply);
      },
    });
    this.#replies.start();
    let connectedBefore = false;
    this.#redis.on('ready', () => {
      if (connectedBefore) this.#online.addAgain().catch(onError);
      connectedBefore = true;
    });
  }

  /** Requests that wait for an answer. */
  get outstanding(): number {
    return this.#online.size;
  }

  /**
   * Runs a request and waits for its answer. Rejects with what the worker reported, `queue_full`, `deadline_exceeded`,
   * `redis_unavailable`, or `job_cancelled` once `signal` is aborted (the caller has gone).
   */
  async infer(
    request: InferenceRequest,
    options: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<InferenceAnswer> {
    this.#checkOpen();
    return this.#online.infer(request, options);
  }

  /**
   * Queues a durable job and returns its id; `replayed` where the idempotency key was seen before.
   * Throws `queue_full`, `idempotency_conflict`, `redis_unavailable`.
   */
  async submit(request: InferenceRequest, options: SubmitOptions): Promise<{ id: string; replayed: boolean }> {
    this.#checkOpen();
    const { jobTtlSeconds } = this.#config;
    const fresh = randomUUID();
    return onRedis('accept the job', async () => {
      const claim = options.idempotency;
      const id = claim === undefined ? fresh : await this.#records.claim(claim, fresh, jobTtlSeconds);
      if (id !== fresh && (await this.#records.get(id)) !== undefined) return { id, replayed: true };
      try {
        await this.#queues.admit(request.pool, options.lane);
        const createdAtMs = Date.now();
        const { model, version } = request;
        await this.#records.create({ id, model, version, createdAtMs, attachment: options.attachment }, jobTtlSeconds);
        const queued = toQueuedRequest(id, request, { acceptedAtMs: createdAtMs, durable: true });
        const payload = packPayload(this.#keys, id, request.inputs);
        const data: InferJob = { v: 1, model, version, requests: [queued], payload: payload.reference };
        await this.#queues.add(request.pool, options.lane, { id, data, payload, ttlSeconds: jobTtlSeconds });
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
    await onRedis('queue the registration', () => this.#queues.addRegistration(job));
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
    return onRedis('count the backlog', () => this.#queues.backlogs());
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
    this.#online.refuseAll(shuttingDown());
    await this.#replies.stop();
    await this.#queues.close();
    if (this.#redis.status === 'ready') await this.#redis.unlink(this.#replyStream).catch(this.#onError);
    await closeRedis(this.#redis);
  }

  #checkOpen(): void {
    if (this.#closed) throw shuttingDown();
  }
}

function shuttingDown(): SconceError {
  return new SconceError('shutting_down', 'The server is shutting down; send the request again.');
}
