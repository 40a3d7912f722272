import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { JobStatus, Outcome, RequestTiming } from '@sconce/contracts';
import { SconceError, deserializeError, type SerializedError } from '@sconce/errors';
import type { BlobStore } from '@sconce/storage';
import type { Tensor } from '@sconce/tensor';
import type { Keys } from '../redis/keys.ts';
import { isOutOfMemory } from '../redis/redis-connection.ts';
import { JobResults, removalOf, type StoredOutputs, type StoredResult } from './job-results.ts';
import { CANCEL, CREATE, FINISH, FORGET, REMOVE, START } from './job-scripts.ts';
import { StoredBytes, type Full, type StoredLimits } from './stored-bytes.ts';
import { usedBefore, type HeldKey, type UploadKey } from './upload-keys.ts';
import { unfinishedBounds, type Submitter } from './submitter.ts';

/** An asynchronous job as its owner sees it. */
export interface JobRecord {
  readonly id: string;
  readonly status: JobStatus;
  readonly model: string;
  readonly version: string;
  /** The queue that it was added to. */
  readonly queue: string;
  /** Epoch ms. */
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  readonly error?: SerializedError;
  readonly timing?: RequestTiming;
  /** The trace of its submission and its run, when one is recorded. */
  readonly traceId?: string;
  /** Whose job it is: the owner of the submitter's key. Absent when callers need no key, and in records of release 0.1. */
  readonly owner?: string;
  /** JSON that the submitter keeps with the job: how to answer, the request's id, …. */
  readonly attachment: unknown;
}

export type NewJobRecord = Pick<
  JobRecord,
  'id' | 'model' | 'version' | 'queue' | 'createdAtMs' | 'attachment' | 'traceId' | 'owner'
>;

/** Who submitted a job, and how. */
export interface JobSubmission {
  readonly submitter?: Submitter | undefined;
  readonly idempotency?: IdempotencyClaim | undefined;
  /** Of its inputs, which Redis holds until the job ends. */
  readonly inputBytes?: number | undefined;
}

export interface JobRecordsOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly config: StoredLimits & {
    /** How long an ended job and its result are kept, seconds. */
    readonly resultTtlSeconds: number;
    readonly maxUnfinishedPerOwner: number;
    readonly maxQueuedBytesPerOwner: number;
  };
  /** Where large results lie. Without it they are written to Redis, and those of other processes cannot be read. */
  readonly store?: BlobStore | undefined;
}

/** The durable state of asynchronous jobs. A final state is never left: later transitions are refused. */
export class JobRecords {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #resultTtlSeconds: number;
  readonly #maxUnfinishedPerOwner: number;
  readonly #maxQueuedBytesPerOwner: number;
  readonly #stored: StoredBytes;
  readonly #results: JobResults;

  constructor(options: JobRecordsOptions) {
    const { redis, keys, config } = options;
    this.#redis = redis;
    this.#keys = keys;
    this.#resultTtlSeconds = config.resultTtlSeconds;
    this.#maxUnfinishedPerOwner = config.maxUnfinishedPerOwner;
    this.#maxQueuedBytesPerOwner = config.maxQueuedBytesPerOwner;
    this.#stored = new StoredBytes({ redis, keys, limits: config });
    this.#results = new JobResults(options);
  }

  /** The list of all jobs, and how the keys of the lists of owners begin. */
  get #lists(): readonly [string, string] {
    return [this.#keys.jobs(), this.#keys.jobsOf('')];
  }

  /**
   * Writes a queued job. A job that exists stays unchanged. Throws `rate_limited` when its key or its owner has too many, `quota_exceeded`
   * when the inputs of its owner's jobs would have too many bytes.
   */
  async create(
    record: NewJobRecord,
    ttlSeconds: number,
    { submitter, idempotency, inputBytes = 0 }: JobSubmission = {},
  ): Promise<void> {
    const { id, model, version, queue, createdAtMs, traceId = '', owner = '' } = record;
    const attachment = JSON.stringify(record.attachment ?? null);
    const keys = [this.#keys.job(id), this.#keys.unfinishedJobs(model, version)];
    const own = [
      id,
      model,
      version,
      createdAtMs,
      attachment,
      queue,
      ttlSeconds,
      traceId,
      owner,
      this.#results.usesBlobs ? '1' : '',
    ];
    const most = this.#maxUnfinishedPerOwner;
    const bounds = unfinishedBounds(this.#keys, submitter, { name: record.owner, most });
    for (const bound of bounds) {
      keys.push(bound.set);
      own.push(bound.most);
    }
    keys.push(this.#keys.queuedItems(), this.#keys.queuedBytes(), this.#keys.watchedJobs(), ...this.#lists);
    own.push(idempotency === undefined ? '' : this.#claimKey(idempotency), inputBytes, this.#maxQueuedBytesPerOwner);
    // A record is kept as long as a job may take, and then as long as its result or its idempotency key.
    own.push((ttlSeconds + Math.max(this.#resultTtlSeconds, ttlSeconds) + 1) * 1_000);
    const created = await this.#redis.eval(CREATE, keys.length, ...keys, ...own);
    if (created === -1 || created === -2) throw bounds[created === -1 ? 0 : 1].error();
    if (created === -3) throw tooManyQueued({ owner, limit: this.#maxQueuedBytesPerOwner, value: inputBytes });
  }

  /** Removes the record of a job that was never queued. */
  async forget(id: string): Promise<void> {
    const keys = [this.#keys.job(id), this.#keys.watchedJobs(), ...this.#lists];
    await this.#redis.eval(FORGET, keys.length, ...keys, id);
  }

  /** Whether somebody removed the job of an idempotency key, and the key is still kept. */
  async wasRemoved(id: string): Promise<boolean> {
    return (await this.#redis.hget(this.#keys.job(id), 'status')) === 'removed';
  }

  async get(id: string): Promise<JobRecord | undefined> {
    const fields = await this.#redis.hgetall(this.#keys.job(id));
    if (fields['status'] === undefined || fields['created_at'] === undefined) return undefined;
    const { started_at: startedAt, finished_at: finishedAt, error, timing, trace_id: traceId } = fields;
    return {
      id,
      status: fields['status'] as JobStatus,
      model: fields['model'] ?? '',
      version: fields['version'] ?? '',
      queue: fields['queue'] ?? '',
      createdAtMs: Number(fields['created_at']),
      startedAtMs: startedAt ? Number(startedAt) : undefined,
      finishedAtMs: finishedAt ? Number(finishedAt) : undefined,
      error: error ? deserializeError(JSON.parse(error)).toJSON() : undefined,
      timing: timing ? (JSON.parse(timing) as RequestTiming) : undefined,
      traceId: traceId || undefined,
      owner: fields['owner'] || undefined,
      attachment: JSON.parse(fields['attachment'] ?? 'null'),
    };
  }

  /** The outputs of a succeeded job; undefined when they have expired. */
  async result(id: string): Promise<readonly Tensor[] | undefined> {
    const result = await this.openResult(id);
    return result !== undefined && 'load' in result ? result.load() : result;
  }

  /** As `result`, but leaves a large result in the blob store. */
  async openResult(id: string): Promise<readonly Tensor[] | StoredOutputs | undefined> {
    return this.#results.open(id);
  }

  /** Marks a job as running. Returns false when it has ended, cancelled or answered by another worker: then do not run it. */
  async start(id: string): Promise<boolean> {
    return (await this.#redis.eval(START, 2, this.#keys.job(id), this.#keys.watchedJobs(), id, Date.now())) === 1;
  }

  /**
   * Stores the outcome and the final state in one step. A result for which there is no room makes the job fail with `quota_exceeded`.
   * Returns false when the job had already ended.
   */
  async finish(id: string, outcome: Outcome): Promise<boolean> {
    if (!outcome.ok) return (await this.#end(id, { status: 'failed', error: outcome.error })) === 1;
    const ended = await this.#succeed(id, outcome);
    if (ended === 0 || ended === 1) return ended === 1;
    const owner = (await this.#redis.hget(this.#keys.job(id), 'owner')) ?? '';
    return (await this.#end(id, { status: 'failed', error: this.#stored.full(ended, owner).toJSON() })) === 1;
  }

  async #succeed(id: string, outcome: Outcome & { readonly ok: true }, isRedisFull = false): Promise<0 | 1 | Full> {
    const result = await this.#results.write(id, outcome.outputs, isRedisFull);
    try {
      const ended = await this.#end(id, { status: 'succeeded', timing: outcome.timing, result });
      if (ended !== 1) await this.#results.discard(result);
      return ended;
    } catch (error) {
      await this.#results.discard(result);
      if (isRedisFull || !isOutOfMemory(error)) throw error;
      return this.#succeed(id, outcome, true);
    }
  }

  async #end(id: string, end: JobEnd): Promise<0 | 1 | Full> {
    const { status, error, timing, result } = end;
    const keys = [
      this.#keys.job(id),
      this.#keys.result(id),
      ...this.#stored.keys,
      this.#keys.removals(),
      this.#keys.watchedJobs(),
    ];
    const answer = await this.#redis.eval(
      FINISH,
      keys.length,
      ...keys,
      id,
      status,
      Date.now(),
      error === undefined ? '' : JSON.stringify(error),
      timing === undefined ? '' : JSON.stringify(timing),
      result?.inline ?? '',
      this.#resultTtlSeconds,
      result?.bytes ?? 0,
      result?.blob ?? '',
      result?.blob === undefined ? '' : removalOf(result.blob),
      ...this.#stored.limits,
    );
    return answer as 0 | 1 | Full;
  }

  /** Removes a job that has ended, its result included. Does nothing for a job that has not ended. */
  async remove(id: string): Promise<void> {
    const keys = [
      this.#keys.job(id),
      this.#keys.result(id),
      ...this.#stored.keys,
      this.#keys.removals(),
      ...this.#lists,
    ];
    const blob = await this.#redis.eval(REMOVE, keys.length, ...keys, id, Date.now());
    if (typeof blob === 'string') await this.#results.removeBlob(blob);
  }

  /** Cancels a job that has not ended. Returns the status that it then has. Throws `job_not_found`. */
  async cancel(id: string): Promise<JobStatus> {
    const keys = [this.#keys.job(id), this.#keys.watchedJobs()];
    const status = await this.#redis.eval(CANCEL, keys.length, ...keys, id, Date.now(), this.#resultTtlSeconds);
    if (typeof status !== 'string') throw jobNotFound(id);
    return status as JobStatus;
  }

  /** The job of an idempotency key, if any. Throws `idempotency_conflict` when the key came with another request before. */
  async claimed(claim: IdempotencyClaim): Promise<string | undefined> {
    const held = await this.#redis.get(this.#claimKey(claim));
    if (held === null) return claim.owner === undefined ? undefined : this.#claimedBefore(claim);
    const [id, fingerprint] = held.split(' ');
    if (fingerprint === claim.fingerprint) return id;
    throw usedBefore(claim.key);
  }

  /** What an idempotency key is tied to, whatever request it came with. */
  async held(claim: UploadKey): Promise<HeldKey | undefined> {
    const [id, fingerprint] = (await this.#redis.get(this.#claimKey(claim)))?.split(' ') ?? [];
    return id === undefined || fingerprint === undefined ? undefined : { id, fingerprint };
  }

  /** Frees an idempotency key. */
  async release(claim: UploadKey): Promise<void> {
    await this.#redis.unlink(this.#claimKey(claim));
  }

  /** Binds an idempotency key to a job id. The first id stands; later callers get it back. */
  async claim(claim: IdempotencyClaim, id: string, ttlSeconds: number): Promise<string> {
    const value = `${id} ${claim.fingerprint}`;
    if ((await this.#redis.set(this.#claimKey(claim), value, 'EX', ttlSeconds, 'NX')) === 'OK') return id;
    return (await this.claimed(claim)) ?? this.claim(claim, id, ttlSeconds);
  }

  /** The job of a claim without an owner: an API process of release 0.1 wrote it. It holds for the same request only. */
  async #claimedBefore({ owner: _, ...claim }: IdempotencyClaim): Promise<string | undefined> {
    const [id, fingerprint] = (await this.#redis.get(this.#claimKey(claim)))?.split(' ') ?? [];
    return fingerprint === claim.fingerprint ? id : undefined;
  }

  #claimKey({ owner, scope, key }: UploadKey): string {
    return this.#keys.idempotency(digest(`${owner === undefined ? '' : `${owner}\0`}${scope}\0${key}`));
  }
}

/** The final state of a job. */
interface JobEnd {
  readonly status: 'succeeded' | 'failed';
  readonly error?: SerializedError;
  readonly timing?: RequestTiming;
  readonly result?: StoredResult;
}

/** A caller's promise that requests with this key are one request. */
export interface IdempotencyClaim {
  readonly key: string;
  /** The owner of the caller's key. Owners have keys of their own. */
  readonly owner?: string;
  /** The operation that the key was sent to. Keys are unique within it. */
  readonly scope: string;
  /** Digest of the request. The same key with another digest is refused. */
  readonly fingerprint: string;
}

/** The error for a job that does not exist or has expired. */
export function jobNotFound(id: string, param = 'id'): SconceError {
  return new SconceError('job_not_found', `There is no job "${id}" (finished jobs expire).`, { details: { param } });
}

const RETRY_AFTER_SECONDS = 5;

/** The error for a job whose inputs its owner may not queue in addition. */
function tooManyQueued({ owner, limit, value }: { owner: string; limit: number; value: number }): SconceError {
  const setting = 'SCONCE_MAX_QUEUED_BYTES_PER_OWNER';
  const details = { budget: 'queued_bytes', limit, value, setting };
  return new SconceError(
    'quota_exceeded',
    `The inputs of jobs of owner ${owner} that have not ended may have ${limit} bytes, and there is no room for ${value} more. Wait for some to end, cancel them, or raise ${setting}.`,
    { details: value > limit ? details : { ...details, retryAfterSeconds: RETRY_AFTER_SECONDS } },
  );
}

/** The error for an idempotency key whose job somebody removed. The key runs one request once: it does not run the request again. */
export function jobOfKeyRemoved({ key }: IdempotencyClaim): SconceError {
  return new SconceError(
    'idempotency_conflict',
    `The job of Idempotency-Key "${key}" was removed (DELETE), and its result with it; use a new key to run the request again.`,
    { details: { param: 'Idempotency-Key' } },
  );
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
