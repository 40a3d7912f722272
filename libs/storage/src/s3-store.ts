import { lstat, mkdir, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { SconceError } from '@sconce/errors';
import { isKeySegment, parseBlobKey, parseBlobPrefix } from './blob-key.ts';
import type { BlobStat, BlobStore, ByteRange, PutOptions, StoredBlob } from './blob-store.ts';
import type { BlobBody } from './body-chunks.ts';
import { checkRange, MemoryByteSource, type OpenByteSource } from './byte-source.ts';
import { openFile } from './open-file.ts';
import { streamOf } from './folder-reader.ts';
import { writeTemp } from './folder-writer.ts';
import { isChanged, type S3Bucket } from './s3-bucket.ts';
import { S3Cache } from './s3-cache.ts';
import { connectBucket } from './s3-client.ts';
import { checkBucket } from './s3-check.ts';
import { S3ByteSource, readPart, streamPart } from './s3-reader.ts';
import { uploadBlob } from './s3-upload.ts';
import { storageConfigSchema, type StorageConfigInput } from './storage.config.ts';
import { storageError } from './storage-error.ts';
import { TempFolder } from './temp-folder.ts';

const DEFAULT_CACHE_BYTES = 20 * 1024 ** 3;
/** A blob up to this size is read whole when it is opened: one request, and later changes of the blob do not matter. */
const SMALL_BYTES = 256 * 1024;
const MAX_COPY_ATTEMPTS = 3;

/**
 * A BlobStore in a bucket of S3, or of a server with the same protocol: blob `a/b/c` is the object `<prefix>a/b/c`. Any number of processes
 * and machines may share it. Objects whose names break the rules of keys are not listed, but `deletePrefix` deletes them.
 *
 * Differences from a folder:
 * - `open` and `stream` of a blob above 256 KiB read the version (ETag) that they began with. If it is replaced or deleted meanwhile, they
 *   fail with `storage_unavailable`; they never mix bytes.
 * - `deletePrefix` is not atomic.
 * - `localPath` downloads a copy. The copy stays for at least a minute, then until the cache needs space: call it again before you open the
 *   file again.
 * - If the connection is lost during the last request of an upload, `put` fails, but the blob may exist.
 */
export class S3Store implements BlobStore {
  readonly #bucket: S3Bucket;
  readonly #cache: S3Cache;
  readonly #temp: TempFolder;

  private constructor(bucket: S3Bucket, cache: S3Cache, temp: TempFolder) {
    this.#bucket = bucket;
    this.#cache = cache;
    this.#temp = temp;
  }

  /**
   * Loads the AWS SDK, checks that the bucket can be read and written and that the server supports conditional writes, and removes stale
   * unfinished uploads below the prefix.
   * @throws SconceError `storage_unavailable`, `invalid_request` if the root is not an S3 location.
   */
  static async open(config: StorageConfigInput): Promise<S3Store> {
    const checked = storageConfigSchema.parse(config);
    const bucket = await connectBucket(checked);
    await checkBucket(bucket);
    await bucket.abortStale(Date.now() - checked.staleTempMs);
    const folder = checked.cacheFolder ?? (await defaultCacheFolder());
    const temp = new TempFolder(folder);
    try {
      await temp.init(checked.staleTempMs);
    } catch (error) {
      throw storageError(error, `opening the cache folder ${folder} failed`);
    }
    const cache = new S3Cache(bucket, {
      folder,
      temp,
      maxBytes: checked.cacheBytes ?? DEFAULT_CACHE_BYTES,
      store: `${checked.endpoint ?? ''} ${bucket.place.bucket} ${bucket.place.prefix}`,
    });
    return new S3Store(bucket, cache, temp);
  }

  put(key: string, body: BlobBody, options: PutOptions & { readonly ifAbsent: true }): Promise<StoredBlob | 'exists'>;
  put(key: string, body: BlobBody, options: PutOptions & { readonly ifAbsent?: false }): Promise<StoredBlob>;
  async put(key: string, body: BlobBody, options: PutOptions): Promise<StoredBlob | 'exists'> {
    parseBlobKey(key);
    // This check only saves the caller a long upload; the last request decides.
    if (options.ifAbsent === true && (await this.#bucket.head(key)) !== undefined) return 'exists';
    return uploadBlob(this.#bucket, key, body, options);
  }

  /** The body is written to a file of the cache folder first, because its name depends on its content. */
  async putContent(
    prefix: string,
    suffix: string,
    body: BlobBody,
    options: Omit<PutOptions, 'ifAbsent'>,
  ): Promise<StoredBlob & { readonly key: string }> {
    parseBlobPrefix(prefix);
    const { path, ...stored } = await writeTemp(this.#temp, `a blob below ${prefix}`, body, options);
    try {
      const key = `${prefix}${stored.sha256}${suffix}`;
      parseBlobKey(key);
      if ((await this.#bucket.head(key)) === undefined) {
        const source = await openFile(path);
        const content = streamOf(source, { offset: 0, length: source.size });
        try {
          const bound = { ...options, maxBytes: stored.sizeBytes, ifAbsent: true };
          const uploaded = await uploadBlob(this.#bucket, key, content, bound);
          if (uploaded !== 'exists' && uploaded.sha256 !== stored.sha256) {
            await this.#bucket.delete(key);
            throw new SconceError('storage_unavailable', `${key} changed on this machine's disk while it was stored`);
          }
        } finally {
          content.destroy();
        }
      }
      return { ...stored, key };
    } finally {
      await unlink(path).catch(() => undefined);
    }
  }

  async get(key: string, options: { readonly maxBytes: number }): Promise<Uint8Array | undefined> {
    parseBlobKey(key);
    const found = await this.#bucket.get(key);
    if (found === undefined || found === 'outside') return undefined;
    const { sizeBytes, etag } = found.object;
    if (sizeBytes > options.maxBytes) {
      found.body.destroy();
      throw new SconceError(
        'payload_too_large',
        `${key} has ${sizeBytes} bytes, more than the ${options.maxBytes} bytes allowed here`,
      );
    }
    return readPart(this.#bucket, { key, etag, offset: 0, end: sizeBytes }, found.body);
  }

  async open(key: string): Promise<OpenByteSource | undefined> {
    parseBlobKey(key);
    const found = await this.#bucket.get(key, { range: { offset: 0, length: SMALL_BYTES } });
    if (found === undefined) return undefined;
    // Only an empty object does not have byte 0.
    if (found === 'outside') return new MemoryByteSource(new Uint8Array());
    const { sizeBytes, etag } = found.object;
    if (sizeBytes > SMALL_BYTES) {
      found.body.destroy();
      return new S3ByteSource(this.#bucket, key, found.object);
    }
    return new MemoryByteSource(await readPart(this.#bucket, { key, etag, offset: 0, end: sizeBytes }, found.body));
  }

  async stream(key: string, range?: ByteRange): Promise<Readable | undefined> {
    parseBlobKey(key);
    if (range !== undefined) checkRange(Number.MAX_SAFE_INTEGER, range.offset, range.length);
    if (range?.length === 0) {
      const object = await this.#bucket.head(key);
      if (object === undefined) return undefined;
      checkRange(object.sizeBytes, range.offset, 0);
      return Readable.from([]);
    }
    const found = await this.#bucket.get(key, range === undefined ? {} : { range });
    if (found === undefined) return undefined;
    if (found === 'outside') {
      const object = await this.#bucket.head(key);
      if (object === undefined) return undefined;
      if (range !== undefined) checkRange(object.sizeBytes, range.offset, range.length);
      throw new SconceError('storage_unavailable', `${key} was replaced while it was opened: read it again`);
    }
    const { sizeBytes, etag } = found.object;
    const { offset, length } = range ?? { offset: 0, length: sizeBytes };
    try {
      checkRange(sizeBytes, offset, length);
    } catch (error) {
      found.body.destroy();
      throw error;
    }
    return streamPart(this.#bucket, { key, etag, offset, end: offset + length }, found.body);
  }

  async stat(key: string): Promise<BlobStat | undefined> {
    parseBlobKey(key);
    const object = await this.#bucket.head(key);
    return object && { key, sizeBytes: object.sizeBytes, modifiedAtMs: object.modifiedAtMs };
  }

  async *list(prefix: string): AsyncGenerator<BlobStat, void, undefined> {
    parseBlobPrefix(prefix);
    for await (const stat of this.#bucket.list(prefix)) {
      if (stat.key.split('/').every(isKeySegment)) yield stat;
    }
  }

  async delete(key: string): Promise<void> {
    parseBlobKey(key);
    await this.#bucket.delete(key);
  }

  async deletePrefix(prefix: string): Promise<void> {
    if (parseBlobPrefix(prefix).length === 0) {
      throw new SconceError('invalid_request', 'deletePrefix needs a prefix: an empty one would delete everything', {
        details: { param: 'prefix' },
      });
    }
    await this.#bucket.deleteAll(prefix);
  }

  async localPath(key: string): Promise<string | undefined> {
    parseBlobKey(key);
    for (let attempt = 1; ; attempt++) {
      const object = await this.#bucket.head(key);
      if (object === undefined) return undefined;
      try {
        return await this.#cache.path(key, object);
      } catch (error) {
        // It was replaced or deleted during the download: try again.
        if (attempt === MAX_COPY_ATTEMPTS || !isChanged(error)) throw error;
      }
    }
  }
}

/**
 * A folder in the system's temporary folder. Another user could have made it first, so it must belong to this user, and others must not
 * have write access.
 */
async function defaultCacheFolder(): Promise<string> {
  const uid = process.getuid?.();
  const folder = join(tmpdir(), `sconce-cache-${uid ?? 'user'}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const stat = await lstat(folder);
    if (stat.isDirectory() && (uid === undefined || (stat.uid === uid && (stat.mode & 0o022) === 0))) return folder;
  } catch (error) {
    throw storageError(error, `creating the cache folder ${folder} failed`);
  }
  throw new SconceError(
    'storage_unavailable',
    `the cache folder ${folder} belongs to another user, or others may write to it: set another folder (SCONCE_S3_CACHE)`,
  );
}
