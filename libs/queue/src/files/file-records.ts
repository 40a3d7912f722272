import type { ChainableCommander, Redis } from 'ioredis';
import type { FilePurpose } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
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

/** The records of files. Their bytes are in the blob store. */
export class FileRecords {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(options: { redis: Redis; keys: Keys }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
  }

  /** Writes the record of a file whose bytes are stored already. */
  async create(file: FileRecord): Promise<void> {
    const key = this.#keys.file(file.id);
    const writing = this.#redis
      .multi()
      .set(key, JSON.stringify(file))
      .zadd(this.#keys.files(), file.createdAtMs, file.id);
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
    await this.#unlink(file).zadd(this.#keys.removals(), Date.now(), removalOf(file)).exec();
    return true;
  }

  /** Removes the record of a file whose bytes belong to a batch. */
  async forget(id: string): Promise<void> {
    const file = await this.get(id);
    if (file !== undefined) await this.#unlink(file).exec();
  }

  #unlink({ id, owner }: FileRecord): ChainableCommander {
    const removing = this.#redis.multi().unlink(this.#keys.file(id)).zrem(this.#keys.files(), id);
    return owner === undefined ? removing : removing.zrem(this.#keys.filesOf(owner), id);
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

function removalOf({ content }: FileRecord): string {
  return JSON.stringify(content);
}

/** The error for a file that does not exist or has expired. */
export function fileNotFound(id: string, param = 'file_id'): SconceError {
  return new SconceError('file_not_found', `There is no file "${id}".`, { details: { param } });
}
