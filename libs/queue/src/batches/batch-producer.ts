import { createHash, randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import type { Redis } from 'ioredis';
import {
  FINAL_STATUSES,
  type BatchRequestInput,
  type BatchSpec,
  type ChunkPart,
  type DatasetLocation,
  type TraceContext,
} from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { BlobBody, BlobStore } from '@sconce/storage';
import { FileRecords, fileNotFound, type FileRecord } from '../files/file-records.ts';
import { FileUploads, type CreateFileOptions, type NewFile } from '../files/file-uploads.ts';
import { JobRecords, type IdempotencyClaim } from '../records/job-records.ts';
import { ConnectionCount } from '../redis/connection-count.ts';
import { Keys } from '../redis/keys.ts';
import { ReplicaAcks } from '../redis/replica-acks.ts';
import { queueFull } from '../producers/queue-full.ts';
import { publishNotice } from '../messages/notices.ts';
import type { QueueConfig } from '../queue-config.ts';
import { closeRedis, connectRedis, onRedis } from '../redis/redis-connection.ts';
import { RedisMemory } from '../load/redis-memory.ts';
import { mayUse } from '../records/owner.ts';
import { StoredBytes } from '../records/stored-bytes.ts';
import { UploadKeys, type UploadKey } from '../records/upload-keys.ts';
import type { Submitter } from '../records/submitter.ts';
import { formatOf, readBatchRequest, windowMs } from './batch-admission.ts';
import { BatchQueues } from './batch-queues.ts';
import type { BatchRecord } from './batch-record.ts';
import { BatchRecords, batchNotFound, unfinishedBatches, type BatchListOptions } from './batch-records.ts';
import type { ModelLookup } from './model-lookup.ts';

export interface BatchProducerOptions {
  readonly config: QueueConfig;
  readonly store: BlobStore;
  readonly models: ModelLookup;
  /** Check the URLs of a webhook and of a dataset against what the operator allows; throw `invalid_request`. */
  readonly checkWebhookUrl?: (url: string) => void;
  readonly checkInputUrl?: (url: string) => void;
  /** Largest file that may be uploaded, bytes. */
  readonly maxFileBytes: number;
  readonly onError?: (error: Error) => void;
}

/** How a batch is accepted. */
export interface SubmitBatchOptions {
  readonly trace?: TraceContext;
  /** The same key with the same request gives the same batch. */
  readonly idempotency?: IdempotencyClaim;
  /** Who submits the batch, when unfinished batches per submitter are limited. */
  readonly submitter?: Submitter;
  /** Whose batch it is: the owner of the caller's key. */
  readonly owner?: string;
  /** The owner whose files the batch may read; undefined for all files. */
  readonly ofOwner?: string;
  /** A dry run: so many rows are scored, as JSONL, and the record gets a preview. The batch is in no list. Tables only. */
  readonly previewRows?: number;
}

/** When a refused caller should try again. */
const RETRY_AFTER_SECONDS = 30;

/**
 * Stores files and submits batches, without HTTP. The API uses it, and other services can. An accepted batch is in Redis, and workers
 * score it even if this process dies.
 *
 * Errors of every method: `redis_unavailable`, `storage_unavailable`.
 */
export class BatchProducer {
  readonly #options: BatchProducerOptions;
  readonly #keys: Keys;
  readonly #redis: Redis;
  readonly #count: ConnectionCount;
  readonly #acks: ReplicaAcks;
  readonly #batches: BatchRecords;
  readonly #files: FileRecords;
  readonly #stored: StoredBytes;
  readonly #memory: RedisMemory;
  readonly #queues: BatchQueues;
  readonly #claims: JobRecords;
  readonly #keysOfUploads: UploadKeys;
  readonly #uploads: FileUploads;

  constructor(options: BatchProducerOptions) {
    const { redisUrl, keyPrefix, batchTtlSeconds, minReplicas } = options.config;
    const onError = options.onError ?? (() => undefined);
    this.#options = options;
    this.#keys = new Keys(keyPrefix);
    this.#redis = connectRedis({ url: redisUrl, role: 'command', name: 'sconce.producer.batches', onError });
    this.#count = new ConnectionCount(this.#redis);
    this.#acks = new ReplicaAcks(this.#redis, minReplicas);
    const on = { redis: this.#redis, keys: this.#keys };
    this.#batches = new BatchRecords({ ...on, ttlSeconds: batchTtlSeconds });
    this.#memory = new RedisMemory(this.#redis);
    this.#stored = new StoredBytes({ ...on, limits: options.config });
    this.#files = new FileRecords({ ...on, stored: this.#stored });
    this.#queues = new BatchQueues({ ...on, onError });
    this.#claims = new JobRecords({ ...on, config: options.config });
    this.#keysOfUploads = new UploadKeys(this.#claims, batchTtlSeconds);
    this.#uploads = new FileUploads({
      store: options.store,
      files: this.#files,
      stored: this.#stored,
      keys: this.#keysOfUploads,
      maxFileBytes: options.maxFileBytes,
    });
  }

  /**
   * Streams a file into the store, and writes its record when the file is complete. `describe` is called then, because the fields of a
   * form may follow its file.
   * @throws SconceError `payload_too_large`, `quota_exceeded`, `idempotency_conflict`; errors of `body` and `describe` are thrown on. In each case nothing is kept.
   */
  async createFile(
    body: BlobBody,
    describe: () => NewFile | Promise<NewFile>,
    options: CreateFileOptions = {},
  ): Promise<FileRecord> {
    this.#memory.admit();
    return this.#uploads.create(body, describe, options);
  }

  /** @param ofOwner as in `mayUse`: for other callers the file does not exist. @throws SconceError `file_not_found`. */
  async file(id: string, ofOwner?: string): Promise<FileRecord> {
    const file = await onRedis('look the file up', () => this.#files.get(id));
    if (file === undefined || !mayUse(ofOwner, file.owner)) throw fileNotFound(id);
    return file;
  }

  /** @throws SconceError `file_not_found` for an unknown `after`. */
  async files(options: Parameters<FileRecords['list']>[0]): Promise<{ files: FileRecord[]; more: boolean }> {
    return onRedis('list the files', () => this.#files.list(options));
  }

  /** Removes a file. Batches that read it fail. @throws SconceError `file_not_found`. */
  async deleteFile(id: string, ofOwner?: string): Promise<void> {
    if (ofOwner !== undefined) await this.file(id, ofOwner);
    if (!(await onRedis('remove the file', () => this.#files.delete(id)))) throw fileNotFound(id);
  }

  /**
   * Accepts a batch. A worker validates its dataset later: an invalid dataset makes the batch fail with errors in its record.
   * @throws SconceError `invalid_request`, `model_not_found`, `model_not_ready`, `file_not_found`, `queue_full`, `rate_limited`, `idempotency_conflict`.
   */
  async submit(input: unknown, options: SubmitBatchOptions = {}): Promise<BatchRecord> {
    const { idempotency } = options;
    return onRedis('accept the batch', async () => {
      const known = idempotency && (await this.#claims.claimed(idempotency));
      const spec = known === undefined ? await this.#admit(input, options) : undefined;
      const fresh = `batch_${randomBytes(12).toString('hex')}`;
      const ttl = this.#options.config.batchTtlSeconds;
      const id = known ?? (idempotency === undefined ? fresh : await this.#claims.claim(idempotency, fresh, ttl));
      return this.#count.onOne(async () => {
        if ((await this.#batches.get(id)) === undefined) {
          const nowMs = Date.now();
          // A claim whose process died before it wrote the batch: this repetition completes it.
          const accepted = spec ?? (await this.#admit(input, options));
          const expiresAtMs = nowMs + windowMs(accepted.completionWindow);
          const { submitter } = options;
          const { maxUnfinishedPerOwner } = this.#options.config;
          await this.#batches.create(id, accepted, { nowMs, expiresAtMs, submitter, maxUnfinishedPerOwner });
        }
        const record = await this.batch(id);
        await this.#queues.addPlanner(id, record.run);
        await this.#acks.confirm('the batch');
        return record;
      });
    });
  }

  /**
   * Checks whether a batch would be accepted, before its dataset is uploaded.
   * @throws SconceError as `submit`.
   */
  async check(input: BatchRequestInput, owner?: string): Promise<void> {
    await onRedis('accept the batch', async () => {
      const { model, version } = readBatchRequest(input);
      await this.#checkRoom(owner);
      await this.#options.models(model, version);
    });
  }

  /** @param ofOwner as in `mayUse`: for other callers the batch does not exist. @throws SconceError `batch_not_found`. */
  async batch(id: string, ofOwner?: string): Promise<BatchRecord> {
    const record = await onRedis('look the batch up', () => this.#batches.get(id));
    if (record === undefined || !mayUse(ofOwner, record.spec.owner)) throw batchNotFound(id);
    return record;
  }

  /** Newest first. @throws SconceError `batch_not_found` for an unknown `after`. */
  async batches(options: BatchListOptions): Promise<{ batches: BatchRecord[]; more: boolean }> {
    return onRedis('list the batches', () => this.#batches.list(options));
  }

  /** Batches that have not ended. There are never more than the limit of unfinished batches. */
  async unfinished(): Promise<BatchRecord[]> {
    return onRedis('list the batches', () => unfinishedBatches(this.#redis, this.#keys));
  }

  /** The results that exist so far, in order. */
  async parts(id: string): Promise<ChunkPart[]> {
    return onRedis('look the results up', () => this.#batches.parts(id));
  }

  /** Stops a batch: no more chunks run, and results so far can be fetched. A batch that has ended stays unchanged. */
  async cancel(id: string, ofOwner?: string): Promise<BatchRecord> {
    return onRedis('cancel the batch', async () => {
      if (ofOwner !== undefined) await this.batch(id, ofOwner);
      const from = ['validating', 'in_progress', 'finalizing'] as const;
      const status = await this.#batches.enter(id, 'cancelling', { from });
      if (status === undefined) throw batchNotFound(id);
      const record = await this.batch(id);
      if (status === 'cancelling') {
        await publishNotice(this.#redis, this.#keys, { kind: 'batch', batchId: id, cancelled: true });
        await this.#queues.wakePlanner(id, record.run);
      }
      return record;
    });
  }

  /**
   * Starts a new run, which scores the chunks without results and the chunks with failed rows.
   * @throws SconceError `batch_not_finished` while it runs, `invalid_request` when nothing failed, or nothing was planned;
   * `queue_full` and `quota_exceeded` as `submit`. With a key that started a run already, returns the batch as it is.
   */
  async retry(id: string, ofOwner?: string, idempotency?: UploadKey): Promise<BatchRecord> {
    if (idempotency === undefined) return this.#retry(id, ofOwner);
    const { run } = await this.batch(id, ofOwner);
    // The run that this key starts. A key whose process died before it started the run starts it now.
    const key = { ...idempotency, scope: `retry ${id}` };
    const started = Number(await this.#keysOfUploads.settle(key, { id: String(run + 1), fingerprint: '-' }));
    if (run >= started) return this.batch(id, ofOwner);
    return this.#retry(id, ofOwner).catch(async (error: unknown) => {
      const record = await this.batch(id, ofOwner);
      // Another request with the key was faster.
      if (record.run >= started) return record;
      throw error;
    });
  }

  async #retry(id: string, ofOwner?: string): Promise<BatchRecord> {
    return onRedis('retry the batch', async () => {
      const record = await this.batch(id, ofOwner);
      const parts = await this.#batches.parts(id);
      const again = parts.filter(({ failed }) => failed > 0).map(({ index }) => index);
      const complete = record.inputEnded && record.chunksDone === record.chunksPlanned;
      if (isFinal(record) && record.plan === undefined) {
        throw new SconceError('invalid_request', `Batch "${id}" failed before any row was read: submit it anew.`, {
          details: { param: 'batch_id' },
        });
      }
      if (isFinal(record) && complete && again.length === 0) {
        throw new SconceError('invalid_request', `Batch "${id}" has nothing to retry: every row has a result.`, {
          details: { param: 'batch_id' },
        });
      }
      if (record.outputFileId !== undefined && (await this.#files.get(record.outputFileId)) === undefined) {
        throw new SconceError('invalid_request', `Batch "${id}" cannot be retried: its results have been removed.`, {
          details: { param: 'batch_id' },
        });
      }
      await this.#checkRoom(record.spec.owner);
      const expiresAtMs = Date.now() + windowMs(record.spec.completionWindow);
      const run = await this.#batches.retry(id, again, expiresAtMs);
      if (typeof run !== 'number') {
        throw new SconceError('batch_not_finished', `Batch "${id}" is ${run}: it can be retried when it has ended.`, {
          details: { param: 'batch_id' },
        });
      }
      await this.#queues.addPlanner(id, run);
      return this.batch(id);
    });
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    this.#memory.close();
    await this.#queues.close();
    await closeRedis(this.#redis);
  }

  async #admit(input: unknown, { trace, owner, ofOwner, previewRows }: SubmitBatchOptions): Promise<BatchSpec> {
    const { request, kind, model, version, endpoint, table } = readBatchRequest(input);
    if (previewRows !== undefined && kind === 'requests') throw noDryRun();
    await this.#checkRoom(owner);
    if (request.webhook !== undefined) this.#options.checkWebhookUrl?.(request.webhook.url);
    const found = await this.#options.models(model, version);
    const { input: location, name } = await this.#locate(request, ofOwner);
    const { output_expires_after: expires, input_file_id: inputFileId } = request;
    return {
      model: found.name,
      version: found.version,
      pool: found.pool,
      kind,
      endpoint,
      inputFileId,
      input: location,
      inputName: name,
      format: kind === 'requests' ? 'jsonl' : formatOf(request, name),
      table: previewRows === undefined ? table : { ...table, limit: previewRows },
      ...(previewRows === undefined ? {} : { preview: true as const }),
      maxErrorRate: request.max_error_rate ?? 1,
      priority: request.priority ?? 128,
      completionWindow: request.completion_window,
      metadata: request.metadata ?? undefined,
      outputTtlSeconds: expires?.seconds,
      webhook: request.webhook,
      trace,
      owner,
    };
  }

  async #checkRoom(owner: string | undefined): Promise<void> {
    this.#memory.admit();
    await this.#stored.room(owner);
    const { maxBatches } = this.#options.config;
    if ((await this.#batches.countUnfinished()) < maxBatches) return;
    throw queueFull(`${maxBatches} batches have not ended yet`, RETRY_AFTER_SECONDS);
  }

  async #locate(
    request: { input_file_id?: string | undefined; input_url?: string | undefined },
    ofOwner: string | undefined,
  ): Promise<{ input: DatasetLocation; name: string }> {
    const { input_file_id: fileId, input_url: url } = request;
    if ((fileId === undefined) === (url === undefined)) {
      throw new SconceError('invalid_request', 'Give the dataset as one of input_file_id and input_url.', {
        details: { param: 'input_file_id' },
      });
    }
    if (url !== undefined) {
      this.#options.checkInputUrl?.(url);
      return { input: { kind: 'url', url }, name: basename(new URL(url).pathname) };
    }
    const file = await this.#files.get(fileId ?? '');
    if (file === undefined || !mayUse(ofOwner, file.owner)) throw fileNotFound(fileId ?? '', 'input_file_id');
    if (file.content.kind !== 'blob') {
      throw new SconceError(
        'invalid_request',
        `File "${fileId}" is the output of a batch: download it and upload it again.`,
        { details: { param: 'input_file_id' } },
      );
    }
    return { input: { kind: 'blob', key: file.content.key }, name: file.filename };
  }
}

function isFinal({ status }: BatchRecord): boolean {
  return (FINAL_STATUSES as readonly string[]).includes(status);
}

function noDryRun(): SconceError {
  const message = 'dry_run: a dry run is for tables: give "model" instead of "endpoint".';
  return new SconceError('invalid_request', message, { details: { param: 'dry_run' } });
}

/** The digest of a request, for an idempotency key. */
export function fingerprintOf(body: Uint8Array | string): string {
  return createHash('sha256').update(body).digest('base64url');
}

/** A request for a batch, for callers in TypeScript. */
export type { BatchRequestInput };
export type { NewFile };
