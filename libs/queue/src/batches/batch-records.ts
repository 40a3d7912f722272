import type { Redis } from 'ioredis';
import { FINAL_STATUSES, type BatchSpec, type BatchStatus, type ChunkPart, type ChunkRange } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { Removal } from '../files/file-records.ts';
import type { Keys } from '../redis/keys.ts';
import type { Full, StoredLimits } from '../records/stored-bytes.ts';
import { unfinishedBounds, type Submitter } from '../records/submitter.ts';
import { readBatchRecord, type BatchCursor, type BatchRecord } from './batch-record.ts';
import { BEGIN_CHUNK, COMMIT_CHUNK, CREATE, DROP, ENTER, FINISH, PLAN, RETRY, TAKE_OVER } from './batch-scripts.ts';

/** Fields to set with a new state. Undefined fields stay unchanged. */
export type BatchFields = Readonly<Record<string, string | number | undefined>>;

/** Which batches to list. */
export interface BatchListOptions {
  readonly after?: string;
  readonly limit: number;
  /** The owner whose batches are listed; undefined for all batches. */
  readonly ofOwner?: string | undefined;
}

/** The result of a change to a batch: made, or why not. */
export type ChangeResult = 'ok' | 'stale' | 'gone' | 'done';

/** A chunk that has been planned. */
export interface PlannedChunkRecord {
  readonly index: number;
  readonly range: ChunkRange;
}

/** How much longer than its record the other hashes of a batch are kept, seconds: readers of the record still find them. */
const PARTS_EXTRA_SECONDS = 60;
/** Stands for no limit of stored bytes. */
const MOST_BYTES = Number.MAX_SAFE_INTEGER;

/** Batches that have not ended, oldest first. There are never more than the limit of unfinished batches. */
export async function unfinishedBatches(redis: Redis, keys: Keys): Promise<BatchRecord[]> {
  const ids = await redis.zrange(keys.batches('unfinished'), '0', '-1');
  const records = await Promise.all(ids.map(async (id) => readBatchRecord(id, await redis.hgetall(keys.batch(id)))));
  return records.filter((record) => record !== undefined);
}

/** The durable state of batches. `batch-scripts.ts` says what each change guarantees. */
export class BatchRecords {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #ttlSeconds: number;
  readonly #limits: readonly [perOwner: number, all: number];

  /**
   * @param options.ttlSeconds how long a batch is kept after its last change.
   * @param options.limits of stored bytes, for who commits chunks. Absent: none.
   */
  constructor(options: { redis: Redis; keys: Keys; ttlSeconds: number; limits?: StoredLimits }) {
    const { maxStoredBytesPerOwner = Infinity, maxStoredBytes = Infinity } = options.limits ?? {};
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#ttlSeconds = options.ttlSeconds;
    this.#limits = [maxStoredBytesPerOwner, maxStoredBytes];
  }

  /** The keys of the ledger of stored bytes: items, totals. */
  get #storedKeys(): readonly [string, string] {
    return [this.#keys.storedItems(), this.#keys.storedBytes()];
  }

  /** Writes a new batch. A batch that exists stays unchanged. Throws `rate_limited` when its key or its owner has too many. */
  async create(
    id: string,
    spec: BatchSpec,
    options: { nowMs: number; expiresAtMs: number; submitter?: Submitter | undefined; maxUnfinishedPerOwner: number },
  ): Promise<void> {
    const { nowMs, expiresAtMs, submitter, maxUnfinishedPerOwner: most } = options;
    const ttl = Math.ceil((expiresAtMs - nowMs) / 1_000) + this.#ttlSeconds;
    const fields = { spec: JSON.stringify(spec), expires_at: expiresAtMs };
    // A dry run is in no list.
    const all = this.#keys.batches(spec.preview === true ? 'unfinished' : 'all');
    const own = spec.owner === undefined || spec.preview === true ? all : this.#keys.batchesOf(spec.owner);
    const bounds = unfinishedBounds(this.#keys, submitter, { name: spec.owner, most });
    const sets = bounds.map((bound) => bound.set);
    const keys = [this.#keys.batch(id), all, this.#keys.batches('unfinished'), own, ...sets];
    const args = [id, nowMs, ttl, ...bounds.map((bound) => bound.most), ...flat(fields)];
    const created = await this.#redis.eval(CREATE, keys.length, ...keys, ...args);
    if (created === -1 || created === -2) throw bounds[created === -1 ? 0 : 1].error();
  }

  async get(id: string): Promise<BatchRecord | undefined> {
    return readBatchRecord(id, await this.#redis.hgetall(this.#keys.batch(id)));
  }

  /** The state of a batch; undefined when it is gone. */
  async statusOf(id: string): Promise<BatchStatus | undefined> {
    return ((await this.#redis.hget(this.#keys.batch(id), 'status')) ?? undefined) as BatchStatus | undefined;
  }

  /** Keeps what a dry run found. */
  async keepPreview(id: string, preview: object): Promise<void> {
    await this.#redis.hset(this.#keys.batch(id), 'preview', JSON.stringify(preview));
  }

  /** Counts a step of this run of the batch that failed, and returns how often it has failed. */
  async countFailure(id: string, step: 'validate' | 'assemble'): Promise<number> {
    return this.#redis.hincrby(this.#keys.batch(id), `${step}_failures`, 1);
  }

  /** Batches after the batch `after`, newest first: all, or those of one owner. */
  async list(options: BatchListOptions): Promise<{ batches: BatchRecord[]; more: boolean }> {
    const { ofOwner } = options;
    const all = ofOwner === undefined ? this.#keys.batches('all') : this.#keys.batchesOf(ofOwner);
    const rank = options.after === undefined ? -1 : Number((await this.#redis.zrevrank(all, options.after)) ?? NaN);
    if (Number.isNaN(rank)) throw batchNotFound(options.after ?? '', 'after');
    const ids = await this.#redis.zrevrange(all, String(rank + 1), String(rank + 1 + options.limit));
    const found = await Promise.all(ids.map(async (id) => [id, await this.get(id)] as const));
    const expired = found.flatMap(([id, record]) => (record === undefined ? [id] : []));
    if (expired.length > 0) await this.#redis.zrem(all, ...expired);
    const batches = found.flatMap(([, record]) => (record === undefined ? [] : [record]));
    return { batches: batches.slice(0, options.limit), more: ids.length > options.limit };
  }

  /** Ids of batches that have not ended, oldest first. */
  async unfinished(): Promise<string[]> {
    return this.#redis.zrange(this.#keys.batches('unfinished'), '0', '-1');
  }

  async countUnfinished(): Promise<number> {
    return this.#redis.zcard(this.#keys.batches('unfinished'));
  }

  /** Removes a batch from the unfinished ones: it has ended and its webhook is queued, or its record is gone. */
  async dropUnfinished(id: string): Promise<void> {
    await this.#redis.eval(DROP, 2, this.#keys.batch(id), this.#keys.batches('unfinished'), id);
  }

  /** Takes over the planning of a batch. Returns the new epoch; undefined when the batch is gone, or in another run. */
  async takeOver(id: string, run: number): Promise<number | undefined> {
    const epoch = await this.#redis.eval(TAKE_OVER, 1, this.#keys.batch(id), run);
    return typeof epoch === 'number' ? epoch : undefined;
  }

  /** Enters a state from one of `from`. Returns the state that the batch then has; undefined when it is gone or the epoch is not current. */
  async enter(
    id: string,
    to: BatchStatus,
    options: { from: readonly BatchStatus[]; epoch?: number; fields?: BatchFields },
  ): Promise<BatchStatus | undefined> {
    const { from, epoch, fields = {} } = options;
    const key = this.#keys.batch(id);
    const status = await this.#redis.eval(ENTER, 1, key, epoch ?? '', Date.now(), from.join(' '), to, ...flat(fields));
    return typeof status === 'string' && status !== 'stale' ? (status as BatchStatus) : undefined;
  }

  /** Enters a final state. Only a retry leaves it. @param options.hasFiles whether files have its results, and count their bytes. */
  async finish(
    id: string,
    to: BatchStatus,
    options: { from: readonly BatchStatus[]; epoch: number; hasFiles?: boolean; fields?: BatchFields },
  ): Promise<BatchStatus | undefined> {
    const { from, epoch, hasFiles = true, fields = {} } = options;
    const own = [epoch, Date.now(), from.join(' '), to, this.#ttlSeconds, hasFiles ? 1 : 0, ...flat(fields)];
    const keys = [this.#keys.batch(id), ...this.#storedKeys] as const;
    const status = await this.#redis.eval(FINISH, keys.length, ...keys, ...own);
    if (typeof status !== 'string' || status === 'stale') return undefined;
    const expiring = this.#redis.pipeline();
    // Its blobs are removed when its record expires.
    const removal = JSON.stringify({ kind: 'batch', batchId: id } satisfies Removal);
    expiring.zadd(this.#keys.removals(), Date.now() + this.#ttlSeconds * 1_000, removal);
    for (const part of ['chunks', 'parts', 'tokens'] as const) {
      expiring.expire(this.#keys.batch(id, part), this.#ttlSeconds + PARTS_EXTRA_SECONDS);
    }
    await expiring.exec();
    return status as BatchStatus;
  }

  /** Records the next chunks, and where planning continues. */
  async plan(
    id: string,
    epoch: number,
    planned: { chunks: readonly PlannedChunkRecord[]; cursor: BatchCursor; ended: boolean; share?: number },
  ): Promise<ChangeResult> {
    const { chunks, cursor, ended, share } = planned;
    const rows = chunks.reduce((sum, { range }) => sum + range.rows, 0);
    const pairs = chunks.flatMap(({ index, range }) => [String(index), JSON.stringify(range)]);
    const keys = [this.#keys.batch(id), this.#keys.batch(id, 'chunks')] as const;
    const answer = await this.#redis.eval(
      PLAN,
      2,
      ...keys,
      epoch,
      JSON.stringify(cursor),
      ended ? 1 : 0,
      rows,
      ...pairs,
    );
    if (share !== undefined) await this.#redis.hset(this.#keys.batch(id), 'input_share', share);
    return answer === 'ok' || answer === 'stale' ? answer : 'gone';
  }

  /** Planned chunks without results. */
  async openChunks(id: string): Promise<PlannedChunkRecord[]> {
    const [chunks, done] = await Promise.all([
      this.#redis.hgetall(this.#keys.batch(id, 'chunks')),
      this.#redis.hkeys(this.#keys.batch(id, 'parts')),
    ]);
    const finished = new Set(done);
    return Object.entries(chunks)
      .filter(([index]) => !finished.has(index))
      .map(([index, range]) => ({ index: Number(index), range: JSON.parse(range) as ChunkRange }))
      .sort((a, b) => a.index - b.index);
  }

  /** The range of a planned chunk; undefined if the chunk is not planned. */
  async chunkRange(id: string, index: number): Promise<ChunkRange | undefined> {
    const range = await this.#redis.hget(this.#keys.batch(id, 'chunks'), String(index));
    return range === null ? undefined : (JSON.parse(range) as ChunkRange);
  }

  /** Committed results, in the order of the dataset. */
  async parts(id: string): Promise<ChunkPart[]> {
    const parts = await this.#redis.hvals(this.#keys.batch(id, 'parts'));
    return parts.map((part) => JSON.parse(part) as ChunkPart).sort((a, b) => a.index - b.index);
  }

  /** Begins a delivery of a chunk. Returns its token, or why the chunk need not run. */
  async beginChunk(id: string, run: number, index: number): Promise<number | 'gone' | 'done'> {
    const keys = [this.#keys.batch(id), this.#keys.batch(id, 'parts'), this.#keys.batch(id, 'tokens')] as const;
    const [what, token] = (await this.#redis.eval(BEGIN_CHUNK, 3, ...keys, run, index)) as [
      'run' | 'gone' | 'done',
      number?,
    ];
    return what === 'run' ? Number(token) : what;
  }

  /** Commits the results of a chunk, if this delivery is the newest and no other has committed, and there is room for them. */
  async commitChunk(
    id: string,
    chunk: { run: number; token: number; part: ChunkPart; tookMs: number },
  ): Promise<ChangeResult | Full> {
    const { run, token, part, tookMs } = chunk;
    const { output, errors } = part;
    const bytes = (output === undefined ? 0 : output.bytes + output.trailer) + (errors?.bytes ?? 0);
    const own = [this.#keys.batch(id), this.#keys.batch(id, 'parts'), this.#keys.batch(id, 'tokens')] as const;
    const keys = [...own, ...this.#storedKeys];
    const notice = JSON.stringify({ kind: 'batch', batchId: id });
    return (await this.#redis.eval(
      COMMIT_CHUNK,
      keys.length,
      ...keys,
      run,
      part.index,
      token,
      JSON.stringify(part),
      part.rows,
      part.failed,
      tookMs,
      Date.now(),
      this.#keys.notices(),
      notice,
      bytes,
      id,
      ...this.#limits.map((limit) => Math.min(limit, MOST_BYTES)),
    )) as ChangeResult | Full;
  }

  /** Begins a new run, and discards the results of the chunks `again`. Returns the number of the run, or the state of a batch that has not ended. */
  async retry(id: string, again: readonly number[], expiresAtMs: number): Promise<number | BatchStatus> {
    const keys = [this.#keys.batch(id), this.#keys.batch(id, 'parts'), this.#keys.batches('unfinished')] as const;
    const ttl = Math.ceil((expiresAtMs - Date.now()) / 1_000) + this.#ttlSeconds;
    const answer = await this.#redis.eval(
      RETRY,
      3,
      ...keys,
      id,
      Date.now(),
      FINAL_STATUSES.join(' '),
      expiresAtMs,
      ttl,
      ...again,
    );
    if (answer === null) throw batchNotFound(id);
    if (typeof answer === 'number') {
      await Promise.all(
        (['chunks', 'parts', 'tokens'] as const).map((part) =>
          this.#redis.expire(this.#keys.batch(id, part), ttl + PARTS_EXTRA_SECONDS),
        ),
      );
    }
    return answer as number | BatchStatus;
  }
}

/** The error for a batch that does not exist or has expired. */
export function batchNotFound(id: string, param = 'batch_id'): SconceError {
  return new SconceError('batch_not_found', `There is no batch "${id}" (ended batches are forgotten in time).`, {
    details: { param },
  });
}

function flat(fields: BatchFields): (string | number)[] {
  return Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
}
