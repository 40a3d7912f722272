import type { Redis } from 'ioredis';
import type { FilePurpose } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { STORED_BYTES, memberOf, type StoredBytes, type StoredItem } from '../records/stored-bytes.ts';
import type { Keys } from '../redis/keys.ts';

/** Where a file's bytes are. */
export type FileContent =
  /** One blob. */
  | { readonly kind: 'blob'; readonly key: string }
  /** The results of a batch's chunks: a blob of JSON lists the blobs that follow each other. */
  | { readonly kind: 'parts'; readonly key: string; readonly batchId: string };

/** Content to remove from the blob store: the bytes of a file, or all blobs of a batch. */
export type Removal = FileContent | { readonly kind: 'batch'; readonly batchId: string };

/** The record of a file. */
export interface FileRecord {
  readonly id: string;
  readonly filename: string;
  readonly purpose: FilePurpose;
  readonly bytes: number;
  readonly createdAtMs: number;
  readonly expiresAtMs?: number;
  readonly mediaType: string;
  readonly content: FileContent;
  /** Whose file it is: the owner of the key that stored it or submitted its batch. Absent when callers need no key, and in records of release 0.1. */
  readonly owner?: string;
}

/** A file whose bytes were counted, and whose record is not written, is freed after this time. */
const UNRECORDED_MS = 3_600_000;

/**
 * KEYS: file, index of all, index of its owner (or of all again), removals, items and totals of the stored bytes. ARGV: id, now, removal (empty
 * for none), member of the stored bytes. The first write needs no memory, so this works also while Redis is at its `maxmemory`.
 */
const REMOVE = `${STORED_BYTES}
redis.call('UNLINK', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[4], ARGV[2], ARGV[3]) end
stored_free(KEYS[5], KEYS[6], ARGV[4])`;

/** The records of files. Their bytes are in the blob store. */
export class FileRecords {
  readonly #redis: Redis;
  readonly #keys: Keys;

  readonly #stored: StoredBytes;

  constructor(options: { redis: Redis; keys: Keys; stored: StoredBytes }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#stored = options.stored;
  }

  /**
   * Writes the record of a file whose bytes are stored already, and counts them. Results of batches are counted also above the limits.
   * @throws SconceError `quota_exceeded`.
   */
  async create(file: FileRecord): Promise<void> {
    const key = this.#keys.file(file.id);
    const item = itemOf(file);
    // If this process dies before the record is written, the bytes are freed in time.
    const expiresAtMs = Math.min(file.expiresAtMs ?? Infinity, Date.now() + UNRECORDED_MS);
    await this.#stored.charge({ ...item, expiresAtMs }, { always: file.purpose === 'batch_output' });
    const writing = this.#redis
      .multi()
      .set(key, JSON.stringify(file))
      .zadd(this.#keys.files(), file.createdAtMs, file.id)
      .zadd(this.#stored.keys[0], 'XX', file.expiresAtMs ?? '+inf', memberOf(item));
    if (file.owner !== undefined) writing.zadd(this.#keys.filesOf(file.owner), file.createdAtMs, file.id);
    if (file.expiresAtMs !== undefined) {
      writing.pexpireat(key, file.expiresAtMs).zadd(this.#keys.removals(), file.expiresAtMs, removalOf(file));
    }
    await writing.exec();
  }

  async get(id: string): Promise<FileRecord | undefined> {
    const text = await this.#redis.get(this.#keys.file(id));
    return text === null ? undefined : (JSON.parse(text) as FileRecord);
  }

  /** Files after the file `after`, by the time of their creation: all, or those of one owner. */
  async list(options: {
    after?: string;
    limit: number;
    order: 'asc' | 'desc';
    purpose?: string;
    ofOwner?: string | undefined;
  }): Promise<{ files: FileRecord[]; more: boolean }> {
    const { after, limit, order, purpose, ofOwner } = options;
    const files = ofOwner === undefined ? this.#keys.files() : this.#keys.filesOf(ofOwner);
    const rankOf = order === 'asc' ? this.#redis.zrank(files, after ?? '') : this.#redis.zrevrank(files, after ?? '');
    const rank = await rankOf;
    if (after !== undefined && rank === null) throw fileNotFound(after, 'after');
    const found: FileRecord[] = [];
    for (let at = after === undefined ? 0 : (rank ?? -1) + 1; ; at += limit + 1) {
      const [start, end] = [String(at), String(at + limit)];
      const ids = await (order === 'asc'
        ? this.#redis.zrange(files, start, end)
        : this.#redis.zrevrange(files, start, end));
      const records = await Promise.all(ids.map(async (id) => [id, await this.get(id)] as const));
      const expired = records.flatMap(([id, record]) => (record === undefined ? [id] : []));
      if (expired.length > 0) await this.#redis.zrem(files, ...expired);
      at -= expired.length;
      for (const [, record] of records) {
        if (record !== undefined && (purpose === undefined || record.purpose === purpose)) found.push(record);
      }
      if (found.length > limit || ids.length <= limit) break;
    }
    return { files: found.slice(0, limit), more: found.length > limit };
  }

  /** Removes a record; the bytes are removed from the store soon after. Returns false when there is no such file. */
  async delete(id: string): Promise<boolean> {
    const file = await this.get(id);
    if (file === undefined) return false;
    await this.#remove(file, removalOf(file));
    return true;
  }

  /** Removes the record of a file whose bytes belong to a batch. */
  async forget(id: string): Promise<void> {
    const file = await this.get(id);
    if (file !== undefined) await this.#remove(file, '');
  }

  async #remove(file: FileRecord, removal: string): Promise<void> {
    const { id, owner } = file;
    const files = this.#keys.files();
    const own = owner === undefined ? files : this.#keys.filesOf(owner);
    const keys = [this.#keys.file(id), files, own, this.#keys.removals(), ...this.#stored.keys];
    await this.#redis.eval(REMOVE, keys.length, ...keys, id, Date.now(), removal, memberOf(itemOf(file)));
  }

  /** Content that is due to be removed from the store. Removing it twice does no harm. */
  async dueRemovals(limit: number): Promise<Removal[]> {
    const due = await this.#redis.zrangebyscore(this.#keys.removals(), '-inf', Date.now(), 'LIMIT', 0, limit);
    return due.map((member) => JSON.parse(member) as Removal);
  }

  /** The content has been removed. */
  async removed(content: Removal): Promise<void> {
    await this.#redis.zrem(this.#keys.removals(), JSON.stringify(content));
  }
}

function itemOf({ id, owner, bytes }: FileRecord): StoredItem {
  return { kind: 'file', id, owner, bytes };
}

function removalOf({ content }: FileRecord): string {
  return JSON.stringify(content);
}

/** The error for a file that does not exist or has expired. */
export function fileNotFound(id: string, param = 'file_id'): SconceError {
  return new SconceError('file_not_found', `There is no file "${id}".`, { details: { param } });
}
