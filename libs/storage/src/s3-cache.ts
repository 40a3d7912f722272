import { createHash } from 'node:crypto';
import { link, lstat, mkdir, readdir, rename, unlink, utimes, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { evictOldest } from './s3-cache-eviction.ts';
import { S3PartReader } from './s3-reader.ts';
import type { S3Bucket, S3Object } from './s3-bucket.ts';
import { isMissing, storageError } from './storage-error.ts';
import type { TempFolder } from './temp-folder.ts';

const RANGE_BYTES = 32 * 1024 ** 2;
const PARALLEL_RANGES = 4;
/** A file is not evicted for this time after its path was returned: the caller is about to open it. */
const GRACE_MS = 60_000;

/** The place of the copies and their limit. */
export interface S3CacheOptions {
  /** Must exist. */
  readonly folder: string;
  /** In the same folder, for copies that are not complete. */
  readonly temp: TempFolder;
  readonly maxBytes: number;
  /** Name of the store, so that several stores may share the folder. */
  readonly store: string;
}

/**
 * Whole, read-only copies of objects on this machine. Blobs of one prefix (`models/a/`) lie in one folder under their own names, so that a
 * file that refers to another file of the prefix finds it. Each copy has a second link that is named after the version (ETag). The cache
 * finds the copy by this link, and the link shows that the copy is current. When a blob was replaced, the next call replaces its copy.
 *
 * Bound: before and after a download, the least recently used folders are emptied until the copies and running downloads fit. Files
 * whose path was returned in the last minute stay, so the bound can be exceeded by their size. An open or mapped file keeps its bytes when
 * it is evicted. Processes may share the folder.
 */
export class S3Cache {
  readonly #bucket: S3Bucket;
  readonly #options: S3CacheOptions;
  readonly #downloads = new Map<string, Promise<string>>();
  #downloadBytes = 0;

  constructor(bucket: S3Bucket, options: S3CacheOptions) {
    this.#bucket = bucket;
    this.#options = options;
  }

  /** The path of the copy of that version. It is downloaded if there is none; concurrent callers share one download. */
  async path(key: string, object: S3Object): Promise<string> {
    const id = `${key} ${object.etag}`;
    const running = this.#downloads.get(id);
    if (running !== undefined) return running;
    const path = this.#find(key, object).finally(() => this.#downloads.delete(id));
    this.#downloads.set(id, path);
    return path;
  }

  async #find(key: string, object: S3Object): Promise<string> {
    const cut = key.lastIndexOf('/') + 1;
    const name = key.slice(cut);
    const folder = join(this.#options.folder, digest(`${this.#options.store}\n${key.slice(0, cut)}`));
    const path = join(folder, name);
    // A key's segment has no leading dot, so the two names never collide.
    const version = join(folder, `.${digest(object.etag)}.${name}`);
    try {
      if (await this.#isCurrent(path, version, object.sizeBytes)) return path;
      return await this.#download(key, object, { folder, path, version });
    } catch (error) {
      throw storageError(error, `copying ${key} to the local cache failed`);
    }
  }

  async #isCurrent(path: string, version: string, sizeBytes: number): Promise<boolean> {
    try {
      const now = new Date();
      // This comes first, so that no eviction removes the copy during the checks.
      await utimes(version, now, now);
      const found = await lstat(version);
      if (!found.isFile() || found.size !== sizeBytes) return false;
      const named = await lstat(path).catch(() => undefined);
      if (named?.ino !== found.ino) await this.#relink(version, path);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async #download(
    key: string,
    object: S3Object,
    target: { readonly folder: string; readonly path: string; readonly version: string },
  ): Promise<string> {
    this.#downloadBytes += object.sizeBytes;
    try {
      await this.#evict();
      const temp = await this.#options.temp.create();
      try {
        try {
          await fill(temp.handle, this.#bucket, key, object);
          await temp.handle.chmod(0o400);
          await temp.handle.sync();
        } finally {
          await temp.handle.close();
        }
        await mkdir(target.folder, { recursive: true, mode: 0o700 });
        await rename(temp.path, target.version);
        await this.#relink(target.version, target.path);
      } catch (error) {
        await unlink(temp.path).catch(() => undefined);
        throw error;
      }
      await forgetOthers(target.folder, target.version, key.slice(key.lastIndexOf('/') + 1));
    } finally {
      this.#downloadBytes -= object.sizeBytes;
    }
    await this.#evict();
    return target.path;
  }

  /** Makes `path` a name of the file `version`. A file that had this name loses it. */
  async #relink(version: string, path: string): Promise<void> {
    const temp = this.#options.temp.newPath();
    await link(version, temp);
    await rename(temp, path);
    // A rename onto another link of the same file does nothing and keeps the old name.
    await unlink(temp).catch(() => undefined);
  }

  async #evict(): Promise<void> {
    const keep = this.#options.maxBytes - this.#downloadBytes;
    await evictOldest(this.#options.folder, { maxBytes: Math.max(0, keep), usedBeforeMs: Date.now() - GRACE_MS });
  }
}

/** Writes the whole object into a file, several ranges at once. */
async function fill(handle: FileHandle, bucket: S3Bucket, key: string, object: S3Object): Promise<void> {
  let next = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    while (next < object.sizeBytes && !failed) {
      const offset = next;
      next = Math.min(offset + RANGE_BYTES, object.sizeBytes);
      await copyRange(handle, bucket, { key, etag: object.etag, offset, end: next });
    }
  };
  const workers = Array.from({ length: PARALLEL_RANGES }, () =>
    work().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  // All must have ended before the caller closes the file.
  for (const result of await Promise.allSettled(workers)) if (result.status === 'rejected') throw result.reason;
}

async function copyRange(
  handle: FileHandle,
  bucket: S3Bucket,
  part: { readonly key: string; readonly etag: string; readonly offset: number; readonly end: number },
): Promise<void> {
  const reader = new S3PartReader(bucket, part);
  try {
    let position = part.offset;
    for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) {
      for (let done = 0; done < chunk.byteLength;) {
        const { bytesWritten } = await handle.write(chunk, done, chunk.byteLength - done, position);
        done += bytesWritten;
        position += bytesWritten;
      }
    }
  } finally {
    reader.close();
  }
}

/** Removes copies of replaced versions. Their version names were never returned to a caller. */
async function forgetOthers(folder: string, version: string, name: string): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [])) {
    const path = join(folder, entry);
    if (path === version || !entry.startsWith('.') || entry.slice(entry.indexOf('.', 1) + 1) !== name) continue;
    await unlink(path).catch(() => undefined);
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
