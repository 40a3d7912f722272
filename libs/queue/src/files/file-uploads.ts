import { createHash, randomBytes, type Hash } from 'node:crypto';
import type { FilePurpose } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { BlobBody, BlobStore } from '@sconce/storage';
import { onRedis } from '../redis/redis-connection.ts';
import type { StoredBytes } from '../records/stored-bytes.ts';
import { checkSameRequest, madeAndRemoved, type UploadKey, type UploadKeys } from '../records/upload-keys.ts';
import type { FileRecord, FileRecords } from './file-records.ts';

/** A file to store. */
export interface NewFile {
  readonly filename: string;
  readonly purpose: FilePurpose;
  readonly mediaType?: string;
  /** Seconds from now after which it is removed. */
  readonly expiresAfterSeconds?: number;
}

/** How a file is stored. */
export interface CreateFileOptions {
  readonly signal?: AbortSignal;
  readonly owner?: string | undefined;
  /** The same key with the same file gives the same record. */
  readonly idempotency?: UploadKey | undefined;
}

export interface FileUploadsOptions {
  readonly store: BlobStore;
  readonly files: FileRecords;
  readonly stored: StoredBytes;
  readonly keys: UploadKeys;
  /** Largest file that may be uploaded, bytes. */
  readonly maxFileBytes: number;
}

type Describe = () => NewFile | Promise<NewFile>;

/** Streams files into the store. A file exists when its record is written, after its last byte. */
export class FileUploads {
  readonly #options: FileUploadsOptions;

  constructor(options: FileUploadsOptions) {
    this.#options = options;
  }

  /** As `BatchProducer.createFile`. */
  async create(body: BlobBody, describe: Describe, options: CreateFileOptions): Promise<FileRecord> {
    const { idempotency: key } = options;
    if (key === undefined) return this.#store(body, describe, options);
    const hash = createHash('sha256');
    const held = await this.#options.keys.held(key);
    const hashed = hashing(body, hash);
    if (held !== undefined) {
      for await (const _ of hashed);
      checkSameRequest(key, held, fingerprintOfFile(hash, await describe()));
      return this.#made(key, held.id);
    }
    let described: NewFile | undefined;
    const made = await this.#store(hashed, async () => (described = await describe()), options);
    const fingerprint = fingerprintOfFile(hash, described as NewFile | undefined);
    const id = await this.#options.keys.settle(key, { id: made.id, fingerprint }).catch(async (error: unknown) => {
      await this.#remove(made.id);
      throw error;
    });
    if (id === made.id) return made;
    await this.#remove(made.id);
    return this.#made(key, id);
  }

  async #made(key: UploadKey, id: string): Promise<FileRecord> {
    const file = await onRedis('look the file up', () => this.#options.files.get(id));
    if (file === undefined) throw madeAndRemoved(key, id);
    return file;
  }

  async #remove(id: string): Promise<void> {
    await onRedis('remove the file', () => this.#options.files.delete(id));
  }

  async #store(body: BlobBody, describe: Describe, { owner, signal }: CreateFileOptions): Promise<FileRecord> {
    const id = `file-${randomBytes(12).toString('hex')}`;
    const key = `files/${id}`;
    const { maxFileBytes, store, stored, files } = this.#options;
    const room = await onRedis('count the stored bytes', () => stored.room(owner));
    const maxBytes = Math.min(maxFileBytes, room.bytes);
    const { sizeBytes } = await store
      .put(key, body, { maxBytes, ...(signal && { signal }) })
      .catch((error: unknown) => {
        const isFull = error instanceof SconceError && error.code === 'payload_too_large' && maxBytes < maxFileBytes;
        throw isFull ? room.full : error;
      });
    try {
      const createdAtMs = Date.now();
      const { filename, purpose, mediaType = 'application/octet-stream', expiresAfterSeconds } = await describe();
      const record: FileRecord = {
        id,
        filename,
        purpose,
        bytes: sizeBytes,
        createdAtMs,
        expiresAtMs: expiresAfterSeconds === undefined ? undefined : createdAtMs + expiresAfterSeconds * 1_000,
        mediaType,
        content: { kind: 'blob', key },
        owner,
      };
      await onRedis('keep the file', () => files.create(record));
      return record;
    } catch (error) {
      await store.delete(key);
      throw error;
    }
  }
}

async function* hashing(body: BlobBody, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    hash.update(chunk);
    yield chunk;
  }
}

/** Files have equal fingerprints if they have the same bytes and the same description. */
function fingerprintOfFile(hash: Hash, { filename, purpose, expiresAfterSeconds }: Partial<NewFile> = {}): string {
  return hash.update(JSON.stringify([filename, purpose, expiresAfterSeconds])).digest('base64url');
}
