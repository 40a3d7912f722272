import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { InferJob, JobStatus, Lane, Notice, PoolBacklog, RegistrationJob } from '@sconce/contracts';
import type { BatchRecord } from '../batches/batch-record.ts';
import { SconceError } from '@sconce/errors';
import { withTimeout } from '@sconce/process/time';
import type { BlobStore } from '@sconce/storage';
import type { Tensor } from '@sconce/tensor';
import { toQueuedRequest, traceIdOf, type InferenceAnswer, type InferenceRequest } from './inference-request.ts';
import { listJobs, type JobListOptions, type JobPage } from '../records/job-list.ts';
import {
  JobRecords,
  jobNotFound,
  jobOfKeyRemoved,
  type IdempotencyClaim,
  type JobRecord,
} from '../records/job-records.ts';
import { ConnectionCount } from '../redis/connection-count.ts';
import { Keys } from '../redis/keys.ts';
import { ReplicaAcks } from '../redis/replica-acks.ts';
import {
  ENDED,
  promiseAnswer,
  waitForAnswer,
  type AnswerListener,
  type BeginOptions,
  type InferencePort,
  type PendingRequest,
} from './inference-port.ts';
import { LaneQueues } from './lane-queues.ts';
import type { ModelStatistics } from '../records/model-statistics.ts';
import { publishNotice } from '../messages/notices.ts';
import { QueueLane } from './queue-lane.ts';
import { RequestAdmission } from './request-admission.ts';
import { StreamLane, type StreamLaneOptions } from './stream-lane.ts';
import { packPayload } from '../messages/payload-store.ts';
import type { QueueConfig } from '../queue-config.ts';
import { laneQueueName } from '../queue-names.ts';
import { readPoolBacklog } from '../load/pool-backlog.ts';
import { takeQueueSnapshot, type QueueSnapshot } from '../load/queue-snapshot.ts';
import { closeRedis, connectRedis, onRedis } from '../redis/redis-connection.ts';
import type { StoredOutputs } from '../records/job-results.ts';
import { mayUse } from '../records/owner.ts';
import { StoredBytes } from '../records/stored-bytes.ts';
import { UploadKeys } from '../records/upload-keys.ts';
import type { Submitter } from '../records/submitter.ts';
import { RedisMemory } from '../load/redis-memory.ts';
import { PoolMonitor } from '../load/pool-monitor.ts';
import { UsageNotes, type VersionUsage } from '../records/version-usage.ts';
import { VersionRecords } from '../records/version-records.ts';

/** Longest time that a scrape of metrics waits for Redis. */
const SNAPSHOT_TIMEOUT_MS = 2_000;

/** How an asynchronous job is queued and kept. */
export interface SubmitOptions {
  readonly lane: Lane;
  /** JSON that is kept with the job and returned with it. */
  readonly attachment?: unknown;
  readonly idempotency?: IdempotencyClaim;
  /** Who submits the job, when unfinished jobs per submitter are limited. */
  readonly submitter?: Submitter;
}

export interface ProducerOptions {
  /** The blob store of the installation: large results of jobs are in it. Without it they are kept in Redis. */
  readonly store?: BlobStore;
  /** Called with connection errors. */
  readonly onError?: (error: Error) => void;
  /** Called for an answer that no request waits for any more: a late or a second answer. */
  readonly onLateReply?: () => void;
}

/**
 * Submits requests and jobs. The API uses it, and other services can.
 *
 * `begin` and `infer` run a request whose caller waits. Requests of one model that wait together become one entry of the pool's stream,
 * and answers come back over this producer's reply stream. `submit` adds a durable job and returns its id at once.
 *
 * States: *open* (constructor; it does not wait for Redis) → *closed* (`close`; requests that still wait fail with
 * `shutting_down`). While Redis is away, new requests fail with `redis_unavailable` after some seconds. Accepted requests
 * are added again when Redis is back; a second answer is ignored.
 */
export class InferenceProducer implements InferencePort {
  readonly #config: QueueConfig;
  readonly #keys: Keys;
  readonly #redis: Redis;
  /** After a new connection, the primary may lack what was written before. */
  readonly connections: ConnectionCount;
  readonly uploadKeys: UploadKeys;
  readonly versions: VersionRecords;
  readonly #acks: ReplicaAcks;
  readonly #records: JobRecords;
  readonly #stored: StoredBytes;
  readonly #memory: RedisMemory;
  readonly #queues: LaneQueues;
  readonly #pools: PoolMonitor;
  readonly #admission: RequestAdmission;
  readonly #stream: StreamLane;
  /** For pools with workers of the release before; made when the first such pool is used. */
  #queueLane: QueueLane | undefined;
  readonly #laneOptions: Omit<StreamLaneOptions, 'pools'>;
  readonly #usage: UsageNotes;
  readonly #onError: (error: Error) => void;
  #closed = false;

  constructor(config: QueueConfig, options: ProducerOptions = {}) {
    const { redisUrl, keyPrefix, maxBacklog, minReplicas } = config;
    const onError = options.onError ?? (() => undefined);
    const keys = new Keys(keyPrefix);
    const redis = connectRedis({ url: redisUrl, role: 'command', name: 'sconce.producer.jobs', onError });
    this.#config = config;
    this.#onError = onError;
    this.#keys = keys;
    this.#redis = redis;
    this.connections = new ConnectionCount(redis);
    this.#acks = new ReplicaAcks(redis, minReplicas);
    this.#stored = new StoredBytes({ redis, keys, limits: config });
    this.#records = new JobRecords({ redis, keys, config, store: options.store });
    this.versions = new VersionRecords({ redis, keys, onError });
    this.uploadKeys = new UploadKeys(this.#records, config.jobTtlSeconds);
    this.#memory = new RedisMemory(redis);
    this.#queues = new LaneQueues({ redis, keys, memory: this.#memory, maxBacklog, onError });
    this.#pools = new PoolMonitor({ redis, keys, onError });
    this.#usage = new UsageNotes({ redis, keys, onError });
    this.#admission = new RequestAdmission(config);
    this.#laneOptions = {
      config,
      keys,
      redis,
      memory: this.#memory,
      admission: this.#admission,
      usage: this.#usage,
      onError,
      onLateReply: options.onLateReply ?? (() => undefined),
      onGivenUp: (requestIds) => {
        if (redis.status !== 'ready') return;
        publishNotice(redis, keys, { kind: 'give_up', requestIds }).catch(onError);
      },
    };
    this.#stream = new StreamLane({ ...this.#laneOptions, pools: this.#pools });
  }

  /** Requests that wait for an answer. */
  get outstanding(): number {
    return this.#admission.outstanding;
  }

  begin(request: InferenceRequest, options: BeginOptions, listener: AnswerListener): PendingRequest {
    if (this.#closed) {
      listener.onError(shuttingDown());
      return ENDED;
    }
    this.#queues.usePool(request.pool);
    return this.#pools.view(request.pool)?.readsStream === true
      ? this.#stream.requests.begin(request, options, listener)
      : this.#beginLater(request, options, listener);
  }

  /**
   * Runs a request and waits for its answer. Rejects with the error of the worker, `queue_full`, `deadline_exceeded`,
   * `redis_unavailable`, or `job_cancelled` once `signal` is aborted (the caller has gone).
   */
  async infer(
    request: InferenceRequest,
    { signal, ...options }: BeginOptions & { readonly signal?: AbortSignal },
  ): Promise<InferenceAnswer> {
    return waitForAnswer(promiseAnswer(this, request, options), signal);
  }

  /** Runs a request of a pool that is not known, or that has workers of the release before. */
  #beginLater(request: InferenceRequest, options: BeginOptions, listener: AnswerListener): PendingRequest {
    const caller = new AbortController();
    const end = this.#usage.begin(request.model, request.version);
    const begin = async (): Promise<InferenceAnswer> => {
      const { readsStream } = await this.#pools.read(request.pool).finally(() => this.#checkOpen());
      if (readsStream) return waitForAnswer(promiseAnswer(this.#stream.requests, request, options), caller.signal);
      this.#queueLane ??= new QueueLane({ ...this.#laneOptions, queues: this.#queues });
      return this.#queueLane.requests.infer(request, { ...options, signal: caller.signal });
    };
    const late = Promise.withResolvers<never>();
    // To read the pool may take longer than the request may: Redis that hangs does not refuse.
    const timer = setTimeout(
      () => {
        caller.abort();
        late.reject(new SconceError('deadline_exceeded', "No answer came within the request's timeout."));
      },
      Math.max(0, options.deadlineMs - Date.now()),
    );
    Promise.race([begin(), late.promise])
      .finally(() => {
        clearTimeout(timer);
        end();
      })
      .then(
        (answer) => listener.onAnswer(answer),
        (error: unknown) => listener.onError(error),
      );
    return { giveUp: () => caller.abort() };
  }

  /**
   * Queues a durable job and returns its id, as soon as the replicas that the config asks for have it; `replayed` is true when the
   * idempotency key was used before.
   * Throws `queue_full`, `quota_exceeded`, `rate_limited`, `idempotency_conflict` (also when the job of the key was removed), `redis_unavailable`.
   */
  async submit(request: InferenceRequest, options: SubmitOptions): Promise<{ id: string; replayed: boolean }> {
    this.#checkOpen();
    const claim = options.idempotency;
    return onRedis('accept the job', async () => {
      const known = claim && (await this.#records.claimed(claim));
      if (claim !== undefined && known !== undefined && (await this.#records.wasRemoved(known))) {
        throw jobOfKeyRemoved(claim);
      }
      if (known === undefined) {
        const bytes = request.inputs.reduce((sum, { data }) => sum + data.byteLength, 0);
        await Promise.all([this.#queues.admit(request.pool, options.lane, bytes), this.#stored.room(request.owner)]);
      }
      const fresh = randomUUID();
      const id = known ?? (claim ? await this.#records.claim(claim, fresh, this.#config.jobTtlSeconds) : fresh);
      let isNew = id === fresh;
      // A failover may lose the record and keep the queue job, or the other way round.
      await this.connections.onOne(async () => {
        await this.#complete({ id, isNew }, request, options);
        isNew = false;
        await this.#acks.confirm('the job');
      });
      return { id, replayed: id !== fresh };
    });
  }

  /** A job's state. `ofOwner` as in `mayUse`: for other callers the job does not exist. Throws `job_not_found`. */
  async job(id: string, ofOwner?: string): Promise<JobRecord> {
    const record = await onRedis('look the job up', () => this.#records.get(id));
    if (record === undefined || !mayUse(ofOwner, record.owner)) throw jobNotFound(id);
    return record;
  }

  /** A page of jobs, newest first. Throws `job_not_found` when there is no job `after`. */
  async jobs(options: JobListOptions): Promise<JobPage> {
    const from = { redis: this.#redis, keys: this.#keys, records: this.#records };
    return onRedis('list the jobs', () => listJobs(from, options));
  }

  /** The outputs of a succeeded job. Throws `job_not_found` when they have expired. */
  async result(id: string): Promise<readonly Tensor[]> {
    const outputs = await onRedis('fetch the result', () => this.#records.result(id));
    if (outputs === undefined) throw jobNotFound(id);
    return outputs;
  }

  /** As `result`, but leaves a large result in the blob store, to be read piece by piece. Throws `job_not_found`. */
  async openResult(id: string): Promise<readonly Tensor[] | StoredOutputs> {
    const result = await onRedis('fetch the result', () => this.#records.openResult(id));
    if (result === undefined) throw jobNotFound(id);
    return result;
  }

  /** Cancels a job: a waiting job is not run, the answer of a running job is dropped. Returns the status that it then has. */
  async cancel(id: string, ofOwner?: string): Promise<JobStatus> {
    return onRedis('cancel the job', async () => {
      if (ofOwner !== undefined) await this.job(id, ofOwner);
      const status = await this.#records.cancel(id);
      const record = await this.#records.get(id);
      if (status === 'cancelled' && record !== undefined) {
        await this.#queues.remove(record.queue, id);
        await publishNotice(this.#redis, this.#keys, { kind: 'cancel', jobId: id });
      }
      return status;
    });
  }

  /**
   * Cancels a job that has not ended. Removes a job that has ended, with its result. Returns the job: as it then is, or as it was.
   * `ofOwner` as in `mayUse`. Throws `job_not_found`.
   */
  async cancelOrRemove(id: string, ofOwner?: string): Promise<JobRecord> {
    const record = await this.job(id, ofOwner);
    if (record.status === 'queued' || record.status === 'running') {
      await this.cancel(id);
      return this.job(id);
    }
    await onRedis('remove the job', () => this.#records.remove(id));
    return record;
  }

  /** Throws `queue_full` while Redis has too little memory for new work, such as a registration. */
  checkRoom(): void {
    this.#memory.admit();
  }

  /** Queues the registration of a stored model version, and resets its totals: an earlier version may have had its number. */
  async register(job: RegistrationJob): Promise<void> {
    await this.forgetVersion(job.model, job.version);
    await onRedis('queue the registration', () => this.#queues.addRegistration(job));
  }

  /** Sends a notice to all workers. */
  async notify(notice: Notice): Promise<void> {
    await onRedis('notify the workers', () => publishNotice(this.#redis, this.#keys, notice));
  }

  /** The totals of a version over all workers. */
  async statistics(model: string, version: string): Promise<ModelStatistics> {
    return this.versions.statistics(model, version);
  }

  /** How a version is used now, over all producers and workers. */
  async usage(model: string, version: string): Promise<VersionUsage> {
    return this.versions.usage(model, version);
  }

  /** Removes the totals and the last request of a removed version. The records of its jobs stay. */
  async forgetVersion(model: string, version: string): Promise<void> {
    await this.versions.forget(model, version);
  }

  /** All queues and pools, and Redis's memory, at this moment; undefined while Redis does not answer. */
  async queueSnapshot(): Promise<QueueSnapshot | undefined> {
    if (this.#redis.status !== 'ready') return undefined;
    const snapshot = takeQueueSnapshot(this.#redis, this.#keys).catch(() => undefined);
    return withTimeout(snapshot, SNAPSHOT_TIMEOUT_MS);
  }

  /** A pool's backlog. @param unfinished batches of all pools that have not ended. @throws SconceError `redis_unavailable`. */
  async poolBacklog(pool: string, unfinished: readonly BatchRecord[]): Promise<PoolBacklog> {
    return readPoolBacklog(this.#redis, this.#keys, { pool, unfinished });
  }

  /** Resolves at Redis's first answer, or after some two seconds without one. */
  async firstAnswer(): Promise<void> {
    await this.#redis.ping().catch(() => undefined);
  }

  /** Whether Redis answers now. */
  async ping(): Promise<boolean> {
    if (this.#redis.status !== 'ready') return false;
    return this.#redis.ping().then(
      () => true,
      () => false,
    );
  }

  /** Refuses the requests that still wait, and closes the connections. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#usage.close();
    this.#memory.close();
    await Promise.all([this.#stream.close(shuttingDown()), this.#queueLane?.close(shuttingDown())]);
    await Promise.all([this.#queues.close(), this.versions.close()]);
    await closeRedis(this.#redis);
  }

  /** Queues a job, unless it runs or has ended. */
  async #complete(
    { id, isNew }: { readonly id: string; readonly isNew: boolean },
    request: InferenceRequest,
    options: SubmitOptions,
  ): Promise<void> {
    const record = isNew ? undefined : await this.#records.get(id);
    // The submission of a job that is still queued may have died halfway. Writing it again completes it, or changes nothing.
    if (record !== undefined && record.status !== 'queued') return;
    try {
      await this.#enqueue(id, request, options);
    } catch (error) {
      // Without a key, no caller knows this id. With a key, the caller's repetition finds the job and completes it.
      if (options.idempotency === undefined) await this.#records.forget(id).catch(this.#onError);
      throw error;
    }
  }

  /** Writes a job's record and adds its queue job. A record or queue job that exists stays unchanged. */
  async #enqueue(id: string, request: InferenceRequest, options: SubmitOptions): Promise<void> {
    const { lane, attachment } = options;
    const { model, version, pool, owner } = request;
    const ttlSeconds = this.#config.jobTtlSeconds;
    const createdAtMs = Date.now();
    const queue = laneQueueName(pool, lane);
    this.#usage.begin(model, version)();
    const traceId = traceIdOf(request.trace);
    const record = { id, model, version, queue, createdAtMs, attachment, owner };
    const inputBytes = request.inputs.reduce((sum, { data }) => sum + data.byteLength, 0);
    const own = { ...options, inputBytes };
    await this.#records.create(traceId === undefined ? record : { ...record, traceId }, ttlSeconds, own);
    const queued = toQueuedRequest(id, request, { acceptedAtMs: createdAtMs, durable: true });
    const payload = packPayload(this.#keys, id, request.inputs);
    const data: InferJob = { v: 1, model, version, requests: [queued], payload: payload.reference };
    await this.#queues.add(pool, lane, { id, data, payload, ttlSeconds });
  }

  #checkOpen(): void {
    if (this.#closed) throw shuttingDown();
  }
}

function shuttingDown(): SconceError {
  return new SconceError('shutting_down', 'The server is shutting down; send the request again.');
}
