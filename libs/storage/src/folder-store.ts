import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { SconceError } from '@sconce/errors';
import { isKeySegment, parseBlobKey, parseBlobPrefix } from './blob-key.ts';
import type { BlobStat, BlobStore, ByteRange, PutOptions, StoredBlob } from './blob-store.ts';
import type { BlobBody } from './body-chunks.ts';
import { checkRange, type OpenByteSource } from './byte-source.ts';
import { FolderPresence, folderAway, isStore } from './folder-presence.ts';
import { FileByteSource, streamOf } from './folder-reader.ts';
import { moveAside, publish, writeTemp } from './folder-writer.ts';
import { isS3Url } from './s3-url.ts';
import { storageConfigSchema, type StorageConfigInput } from './storage.config.ts';
import { isMissing, storageError } from './storage-error.ts';
import { TempFolder } from './temp-folder.ts';

/**
 * A BlobStore in a folder: blob `a/b/c` is the file `<root>/a/b/c`. Folders have the mode 0700 and files 0400. A blob is replaced only by
 * another file, so that a mapped file never changes. Empty folders are removed. Any number of processes may share the root, on any file
 * system with hard links (NFS included).
 *
 * While the folder itself is away (its volume is not mounted), every method throws `storage_unavailable`.
 *
 * Symbolic links below the root are not followed: reading or writing through one is refused with `storage_unavailable`, and listings skip
 * them. The root itself may be a link.
 */
export class FolderStore implements BlobStore {
  readonly #root: string;
  readonly #temp: TempFolder;
  readonly #presence: FolderPresence;

  private constructor(root: string, temp: TempFolder, presence: FolderPresence) {
    this.#root = root;
    this.#temp = temp;
    this.#presence = presence;
  }

  /**
   * Makes the folder if it is missing and removes stale unfinished uploads.
   * @param options.mustExist the folder was a store before: a missing or an empty folder means that it is away.
   * @throws SconceError `storage_unavailable`.
   */
  static async open(config: StorageConfigInput, options: { readonly mustExist?: boolean } = {}): Promise<FolderStore> {
    const { root, staleTempMs } = storageConfigSchema.parse(config);
    if (isS3Url(root)) {
      throw new SconceError('internal', `${root} is a bucket, not a folder: open it with openBlobStore`);
    }
    try {
      if (options.mustExist === true && !(await isStore(root))) throw folderAway();
      await mkdir(root, { recursive: true, mode: 0o700 });
      const realRoot = await realpath(root);
      const temp = new TempFolder(realRoot);
      await temp.init(staleTempMs);
      const presence = await FolderPresence.of(realRoot, temp.newPath());
      temp.guard(presence);
      return new FolderStore(realRoot, temp, presence);
    } catch (error) {
      throw storageError(error, `opening the storage folder ${root} failed`);
    }
  }

  put(key: string, body: BlobBody, options: PutOptions & { readonly ifAbsent: true }): Promise<StoredBlob | 'exists'>;
  put(key: string, body: BlobBody, options: PutOptions & { readonly ifAbsent?: false }): Promise<StoredBlob>;
  async put(key: string, body: BlobBody, options: PutOptions): Promise<StoredBlob | 'exists'> {
    const segments = parseBlobKey(key);
    const ifAbsent = options.ifAbsent === true;
    // This check only saves the caller a long upload; `publish` decides.
    if (ifAbsent && (await this.stat(key)) !== undefined) return 'exists';
    const { path, ...stored } = await writeTemp(this.#temp, key, body, options);
    try {
      const published = await publish({ root: this.#root, segments, tempPath: path, ifAbsent });
      return published ? stored : 'exists';
    } catch (error) {
      throw storageError(error, `storing ${key} failed`);
    } finally {
      await unlink(path).catch(() => undefined); // A rename has removed it already.
    }
  }

  async putContent(
    prefix: string,
    suffix: string,
    body: BlobBody,
    options: Omit<PutOptions, 'ifAbsent'>,
  ): Promise<StoredBlob & { readonly key: string }> {
    parseBlobPrefix(prefix);
    const { path, ...stored } = await writeTemp(this.#temp, `a blob below ${prefix}`, body, options);
    const key = `${prefix}${stored.sha256}${suffix}`;
    try {
      await publish({ root: this.#root, segments: parseBlobKey(key), tempPath: path, ifAbsent: true });
      return { ...stored, key };
    } catch (error) {
      throw storageError(error, `storing ${key} failed`);
    } finally {
      await unlink(path).catch(() => undefined);
    }
  }

  async get(key: string, options: { readonly maxBytes: number }): Promise<Uint8Array | undefined> {
    await using source = await this.open(key);
    if (source === undefined) return undefined;
    if (source.size > options.maxBytes) {
      throw new SconceError(
        'payload_too_large',
        `${key} has ${source.size} bytes, more than the ${options.maxBytes} bytes allowed here`,
      );
    }
    return await source.read(0, source.size);
  }

  async open(key: string): Promise<OpenByteSource | undefined> {
    const path = await this.#locate(key);
    if (path === undefined) return undefined;
    try {
      // NONBLOCK: opening a FIFO must not hang.
      const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        const stat = await handle.stat();
        if (stat.isFile()) return new FileByteSource(handle, key, stat.size);
      } catch (error) {
        await handle.close();
        throw error;
      }
      await handle.close();
      return undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw storageError(error, `opening ${key} failed`);
    }
  }

  async stream(key: string, range?: ByteRange): Promise<Readable | undefined> {
    const source = await this.open(key);
    if (source === undefined) return undefined;
    const wanted = range ?? { offset: 0, length: source.size };
    try {
      checkRange(source.size, wanted.offset, wanted.length);
    } catch (error) {
      await source.close();
      throw error;
    }
    return streamOf(source, wanted);
  }

  async stat(key: string): Promise<BlobStat | undefined> {
    const path = await this.#locate(key);
    return path === undefined ? undefined : this.#statFile(path, key);
  }

  async *list(prefix: string): AsyncGenerator<BlobStat, void, undefined> {
    const segments = parseBlobPrefix(prefix);
    const folder = await this.#locateSegments(segments, prefix);
    // The folder of the store exists also when its volume is not mounted.
    if (segments.length === 0) await this.#presence.check();
    if (folder !== undefined) yield* this.#walk(folder, prefix);
  }

  async delete(key: string): Promise<void> {
    const path = await this.#locate(key);
    if (path === undefined || (await this.#statFile(path, key)) === undefined) return;
    try {
      await unlink(path);
    } catch (error) {
      if (!isMissing(error)) throw storageError(error, `deleting ${key} failed`);
    }
    await this.#prune(dirname(path));
  }

  /** Moves the folder away in one rename, so that all blobs disappear together, and then removes its files. */
  async deletePrefix(prefix: string): Promise<void> {
    const segments = parseBlobPrefix(prefix);
    if (segments.length === 0) {
      throw new SconceError('invalid_request', 'deletePrefix needs a prefix: an empty one would delete everything', {
        details: { param: 'prefix' },
      });
    }
    const path = await this.#locateSegments(segments, prefix);
    if (path === undefined) return;
    try {
      const aside = this.#temp.newPath();
      if (!(await moveAside(path, aside))) return;
      await rm(aside, { recursive: true, force: true });
    } catch (error) {
      throw storageError(error, `deleting all blobs below ${prefix} failed`);
    }
    await this.#prune(dirname(path));
  }

  async localPath(key: string): Promise<string | undefined> {
    const path = await this.#locate(key);
    if (path === undefined) return undefined;
    return (await this.#statFile(path, key)) === undefined ? undefined : path;
  }

  async #locate(key: string): Promise<string | undefined> {
    return this.#locateSegments(parseBlobKey(key), key);
  }

  /** The path of an existing file or folder; undefined if there is none. */
  async #locateSegments(segments: readonly string[], name: string): Promise<string | undefined> {
    const path = join(this.#root, ...segments);
    let real: string;
    try {
      real = await realpath(path);
    } catch (error) {
      if (!isMissing(error)) throw storageError(error, `finding ${name} failed`);
      await this.#presence.check();
      return undefined;
    }
    if (real === path) return path;
    throw new SconceError(
      'storage_unavailable',
      `${name} passes through a symbolic link: links below the storage folder are not followed; replace the link by its target`,
    );
  }

  async #statFile(path: string, key: string): Promise<BlobStat | undefined> {
    try {
      const stat = await lstat(path);
      return stat.isFile() ? { key, sizeBytes: stat.size, modifiedAtMs: stat.mtimeMs } : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw storageError(error, `looking up ${key} failed`);
    }
  }

  async *#walk(folder: string, prefix: string): AsyncGenerator<BlobStat, void, undefined> {
    let names: string[];
    try {
      const entries = await readdir(folder, { withFileTypes: true });
      names = entries
        .filter((entry) => isKeySegment(entry.name) && (entry.isFile() || entry.isDirectory()))
        // With its slash a folder sorts like its keys: `a-b` < `a/b` < `a0`.
        .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
        .sort();
    } catch (error) {
      if (!isMissing(error)) throw storageError(error, `listing ${prefix || 'the storage folder'} failed`);
      await this.#presence.check();
      return;
    }
    for (const name of names) {
      if (name.endsWith('/')) {
        yield* this.#walk(join(folder, name.slice(0, -1)), prefix + name);
      } else {
        const stat = await this.#statFile(join(folder, name), prefix + name);
        if (stat !== undefined) yield stat;
      }
    }
  }

  /** Removes empty folders, upwards. A writer whose folder was removed makes it again (`publish`). */
  async #prune(folder: string): Promise<void> {
    for (let path = folder; path !== this.#root; path = dirname(path)) {
      try {
        await rmdir(path);
      } catch (error) {
        if (!isMissing(error)) return;
      }
    }
  }
}
