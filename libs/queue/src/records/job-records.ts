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
  /** The queue it was put into. */
  readonly queue: string;
  /** Epoch ms. */
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  readonly error?: SerializedError;
  readonly timing?: RequestTiming;
  /** The trace of its submission and its run, where one is recorded. */
  readonly traceId?: string;
  /** What the submitter wanted kept with the job (how to answer, the request's id, …); JSON. */
  readonly attachment: unknown;
}

export type NewJobRecord = Pick<
  JobRecord,
  'id' | 'model' | 'version' | 'queue' | 'createdAtMs' | 'attachment' | 'traceId'
>;

// Transitions are scripts, so that of two workers that ran one job (or a worker and a cancel) exactly one wins. With the
// same step a job joins its version's set of unfinished jobs and leaves it: the record names the set. One whose record
// expires stays in the set until it is counted next; the set itself goes with its last record.
const LEAVE = `
local unfinished = redis.call('HGET', KEYS[1], 'unfinished')
if unfinished then redis.call('ZREM', unfinished, ARGV[1]) end${LEAVE_SUBMITTER}`;
const CREATE = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end${joinSubmitter({ set: 'KEYS[3]', most: 'ARGV[9]', id: 'ARGV[1]', ttl: 'ARGV[7]' })}
redis.call('HSET', KEYS[1], 'status', 'queued', 'model', ARGV[2], 'version', ARGV[3], 'created_at', ARGV[4], 'attachment', ARGV[5], 'queue', ARGV[6], 'unfinished', KEYS[2], 'trace_id', ARGV[8])
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

  /** Writes a queued job; one that already exists is left as it is. Throws `rate_limited` where its submitter has too many. */
  async create(record: NewJobRecord, ttlSeconds: number, submitter?: Submitter): Promise<void> {
    const { id, model, version, queue, createdAtMs, traceId = '' } = record;
    const attachment = JSON.stringify(record.attachment ?? null);
    const keys = [this.#keys.job(id), this.#keys.unfinishedJobs(model, version)];
    const own = [id, model, version, createdAtMs, attachment, queue, ttlSeconds, traceId];
    if (submitter !== undefined) {
      keys.push(this.#keys.unfinishedOf(submitter.id));
      own.push(submitter.maxUnfinished);
    }
    const created = await this.#redis.eval(CREATE, keys.length, ...keys, ...own);
    if (submitter !== undefined && created === -1) throw tooManyUnfinished(submitter);
  }

  /** Forgets a job that was never queued. */
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
      ...(startedAt ? { startedAtMs: Number(startedAt) } : {}),
      ...(finishedAt ? { finishedAtMs: Number(finishedAt) } : {}),
      ...(error ? { error: deserializeError(JSON.parse(error)).toJSON() } : {}),
      ...(timing ? { timing: JSON.parse(timing) as RequestTiming } : {}),
      ...(traceId ? { traceId } : {}),
      attachment: JSON.parse(fields['attachment'] ?? 'null'),
    };
  }

  /** A succeeded job's outputs; undefined where they have expired. */
  async result(id: string): Promise<readonly Tensor[] | undefined> {
    const bytes = await this.#redis.getBuffer(this.#keys.result(id));
    return bytes === null ? undefined : decodeFrame(bytes).tensors;
  }

  /** Marks a job as running. False where it has ended (was cancelled, or another worker answered): do not run it. */
  async start(id: string): Promise<boolean> {
    return (await this.#redis.eval(START, 1, this.#keys.job(id), Date.now())) === 1;
  }

  /** Stores the outcome with the final state, both or neither. False where the job had already ended. */
  async finish(id: string, outcome: Outcome): Promise<boolean> {
    const [status, error, timing, result] = outcome.ok
      ? ['succeeded', '', JSON.stringify(outcome.timing), encodeFrame({ meta: null, tensors: outcome.outputs })]
      : ['failed', JSON.stringify(outcome.error), '', ''];
    const keys = [this.#keys.job(id), this.#keys.result(id)] as const;
    const ttl = this.#resultTtlSeconds;
    return (await this.#redis.eval(FINISH, 2, ...keys, id, status, Date.now(), error, timing, result, ttl)) === 1;
  }

  /** Cancels a job that has not ended. Answers the status it then has. Throws `job_not_found`. */
  async cancel(id: string): Promise<JobStatus> {
    const status = await this.#redis.eval(CANCEL, 1, this.#keys.job(id), id, Date.now(), this.#resultTtlSeconds);
    if (typeof status !== 'string') throw jobNotFound(id);
    return status as JobStatus;
  }

  /** The job an idempotency key stands for, if any. Throws `idempotency_conflict` where it came with another request. */
  async claimed(claim: IdempotencyClaim): Promise<string | undefined> {
    const held = await this.#redis.get(this.#claimKey(claim));
    if (held === null) return undefined;
    const [id, fingerprint] = held.split(' ');
    if (fingerprint === claim.fingerprint) return id;
    throw new SconceError(
      'idempotency_conflict',
      `Idempotency-Key "${claim.key}" was used before with a different request; use a new key for a new request.`,
      { details: { param: 'Idempotency-Key' } },
    );
  }

  /** Ties an idempotency key to a job id. The first caller's id stands; whoever comes later gets it back. */
  async claim(claim: IdempotencyClaim, id: string, ttlSeconds: number): Promise<string> {
    const value = `${id} ${claim.fingerprint}`;
    if ((await this.#redis.set(this.#claimKey(claim), value, 'EX', ttlSeconds, 'NX')) === 'OK') return id;
    return (await this.claimed(claim)) ?? this.claim(claim, id, ttlSeconds);
  }

  #claimKey({ scope, key }: IdempotencyClaim): string {
    return this.#keys.idempotency(digest(`${scope}\0${key}`));
  }
}

/** A caller's promise that requests with this key are one request. */
export interface IdempotencyClaim {
  readonly key: string;
  /** What the key is unique within: the operation it was sent to. */
  readonly scope: string;
  /** Digest of the request: the same key with another one is refused. */
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
