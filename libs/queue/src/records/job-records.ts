import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { JobStatus, Outcome, RequestTiming } from '@sconce/contracts';
import { SconceError, deserializeError, type SerializedError } from '@sconce/errors';
import { decodeFrame, encodeFrame, type Tensor } from '@sconce/tensor';
import type { Keys } from '../redis/keys.ts';
import { LEAVE_SUBMITTER, joinSubmitter, tooManyUnfinished, type Submitter } from './submitter.ts';

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

// Each transition is one script. When two workers ran one job, or a worker and a cancel meet, exactly one of them wins. The
// same scripts add a job to its version's set of unfinished jobs, which the record names, and remove it. A job whose record
// expires stays in the set until the set is counted next. The set expires with its last record.
const LEAVE = `
local unfinished = redis.call('HGET', KEYS[1], 'unfinished')
if unfinished then redis.call('ZREM', unfinished, ARGV[1]) end${LEAVE_SUBMITTER}`;
const CREATE = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end${joinSubmitter({ set: 'KEYS[3]', most: 'ARGV[10]', id: 'ARGV[1]', ttl: 'ARGV[7]' })}
redis.call('HSET', KEYS[1], 'status', 'queued', 'model', ARGV[2], 'version', ARGV[3], 'created_at', ARGV[4], 'attachment', ARGV[5], 'queue', ARGV[6], 'unfinished', KEYS[2], 'trace_id', ARGV[8])
if ARGV[9] ~= '' then redis.call('HSET', KEYS[1], 'owner', ARGV[9]) end
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('ZADD', KEYS[2], redis.call('TIME')[1] + ARGV[7] + 1, ARGV[1])
if redis.call('TTL', KEYS[2]) < tonumber(ARGV[7]) then redis.call('EXPIRE', KEYS[2], ARGV[7]) end
return 1`;
const FORGET = `${LEAVE}
redis.call('UNLINK', KEYS[1])`;
const START = `
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'status', 'running')
redis.call('HSETNX', KEYS[1], 'started_at', ARGV[1])
return 1`;
const FINISH = `
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then return 0 end
if ARGV[6] ~= '' then redis.call('SET', KEYS[2], ARGV[6], 'EX', ARGV[7]) end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'finished_at', ARGV[3], 'error', ARGV[4], 'timing', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[7])${LEAVE}
return 1`;
const CANCEL = `
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'running' then return status end
redis.call('HSET', KEYS[1], 'status', 'cancelled', 'finished_at', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])${LEAVE}
return 'cancelled'`;

/** The durable state of asynchronous jobs. A final state is never left: later transitions are refused. */
export class JobRecords {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #resultTtlSeconds: number;

  constructor(options: { redis: Redis; keys: Keys; resultTtlSeconds: number }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#resultTtlSeconds = options.resultTtlSeconds;
  }

  /** Writes a queued job. A job that exists stays unchanged. Throws `rate_limited` when its submitter has too many. */
  async create(record: NewJobRecord, ttlSeconds: number, submitter?: Submitter): Promise<void> {
    const { id, model, version, queue, createdAtMs, traceId = '', owner = '' } = record;
    const attachment = JSON.stringify(record.attachment ?? null);
    const keys = [this.#keys.job(id), this.#keys.unfinishedJobs(model, version)];
    const own = [id, model, version, createdAtMs, attachment, queue, ttlSeconds, traceId, owner];
    if (submitter !== undefined) {
      keys.push(this.#keys.unfinishedOf(submitter.id));
      own.push(submitter.maxUnfinished);
    }
    const created = await this.#redis.eval(CREATE, keys.length, ...keys, ...own);
    if (submitter !== undefined && created === -1) throw tooManyUnfinished(submitter);
  }

  /** Removes the record of a job that was never queued. */
  async forget(id: string): Promise<void> {
    await this.#redis.eval(FORGET, 1, this.#keys.job(id), id);
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
    const bytes = await this.#redis.getBuffer(this.#keys.result(id));
    return bytes === null ? undefined : decodeFrame(bytes).tensors;
  }

  /** Marks a job as running. Returns false when it has ended, cancelled or answered by another worker: then do not run it. */
  async start(id: string): Promise<boolean> {
    return (await this.#redis.eval(START, 1, this.#keys.job(id), Date.now())) === 1;
  }

  /** Stores the outcome and the final state in one step. Returns false when the job had already ended. */
  async finish(id: string, outcome: Outcome): Promise<boolean> {
    const [status, error, timing, result] = outcome.ok
      ? ['succeeded', '', JSON.stringify(outcome.timing), encodeFrame({ meta: null, tensors: outcome.outputs })]
      : ['failed', JSON.stringify(outcome.error), '', ''];
    const keys = [this.#keys.job(id), this.#keys.result(id)] as const;
    const ttl = this.#resultTtlSeconds;
    return (await this.#redis.eval(FINISH, 2, ...keys, id, status, Date.now(), error, timing, result, ttl)) === 1;
  }

  /** Cancels a job that has not ended. Returns the status that it then has. Throws `job_not_found`. */
  async cancel(id: string): Promise<JobStatus> {
    const status = await this.#redis.eval(CANCEL, 1, this.#keys.job(id), id, Date.now(), this.#resultTtlSeconds);
    if (typeof status !== 'string') throw jobNotFound(id);
    return status as JobStatus;
  }

  /** The job of an idempotency key, if any. Throws `idempotency_conflict` when the key came with another request before. */
  async claimed(claim: IdempotencyClaim): Promise<string | undefined> {
    const held = await this.#redis.get(this.#claimKey(claim));
    if (held === null) return claim.owner === undefined ? undefined : this.#claimedBefore(claim);
    const [id, fingerprint] = held.split(' ');
    if (fingerprint === claim.fingerprint) return id;
    throw new SconceError(
      'idempotency_conflict',
      `Idempotency-Key "${claim.key}" was used before with a different request; use a new key for a new request.`,
      { details: { param: 'Idempotency-Key' } },
    );
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

  #claimKey({ owner, scope, key }: IdempotencyClaim): string {
    return this.#keys.idempotency(digest(`${owner === undefined ? '' : `${owner}\0`}${scope}\0${key}`));
  }
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
export function jobNotFound(id: string): SconceError {
  return new SconceError('job_not_found', `There is no job "${id}" (finished jobs expire).`, {
    details: { param: 'id' },
  });
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
