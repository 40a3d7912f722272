import { createHash } from 'node:crypto';
import { link, lstat, mkdir, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SconceError } from '@sconce/errors';
import type { PutOptions, StoredBlob } from './blob-store.ts';
import { chunksOf, type BlobBody } from './body-chunks.ts';
import { isMissing, storageError, systemCode } from './storage-error.ts';
import type { TempFolder } from './temp-folder.ts';

const MAX_PUBLISH_ATTEMPTS = 8;

/**
 * Streams a body into a temporary file and syncs it to disk. After a failure the file is removed.
 * @throws the error of the body; SconceError `payload_too_large`, `storage_unavailable`.
 */
export async function writeTemp(
  temp: TempFolder,
  key: string,
  body: BlobBody,
  options: PutOptions,
): Promise<StoredBlob & { readonly path: string }> {
  const { path, handle } = await temp.create().catch((error: unknown) => {
    throw storageError(error, `storing ${key} failed`);
  });
  try {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of chunksOf(body, options.signal)) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > options.maxBytes) {
        throw new SconceError(
          'payload_too_large',
          `${key} is larger than the ${options.maxBytes} bytes allowed: send less or raise the limit`,
          {
            details: { max_bytes: options.maxBytes },
          },
        );
      }
      hash.update(chunk);
      await writeAll(handle, key, chunk);
    }
    await handle.chmod(0o400);
    await handle.sync().catch((error: unknown) => {
      throw storageError(error, `storing ${key} failed`);
    });
    await handle.close();
    return { path, sizeBytes, sha256: hash.digest('hex') };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await unlink(path).catch(() => undefined);
    throw error;
  }
}

async function writeAll(handle: FileHandle, key: string, chunk: Uint8Array): Promise<void> {
  try {
    for (let done = 0; done < chunk.byteLength;) {
      done += (await handle.write(chunk, done, chunk.byteLength - done)).bytesWritten;
    }
  } catch (error) {
    throw storageError(error, `storing ${key} failed`);
  }
}

/**
 * Gives a finished temporary file its final name, atomically. With `ifAbsent` it returns false if the name is taken. The temporary name
 * still exists after every call with `ifAbsent`.
 */
export async function publish(target: {
  readonly root: string;
  readonly segments: readonly string[];
  readonly tempPath: string;
  readonly ifAbsent: boolean;
}): Promise<boolean> {
  const path = join(target.root, ...target.segments);
  for (let attempt = 1; ; attempt++) {
    await makeFolders(target.root, target.segments);
    try {
      if (target.ifAbsent) {
        if (!(await linkNew(target.tempPath, path))) {
          await refuseFolder(path, target.segments);
          return false;
        }
      } else {
        await rename(target.tempPath, path);
      }
      await syncFolder(dirname(path));
      return true;
    } catch (error) {
      const code = systemCode(error);
      if (code === 'EISDIR' || code === 'ENOTEMPTY') await refuseFolder(path, target.segments);
      // A process that deletes the last blob of a folder removes the folder, even if it was made just now: make it again.
      if (!isMissing(error) || attempt === MAX_PUBLISH_ATTEMPTS) throw error;
    }
  }
}

/** Renames a folder; false if there is none. */
export async function moveAside(path: string, aside: string): Promise<boolean> {
  try {
    if (!(await lstat(path)).isDirectory()) return false;
    await rename(path, aside);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') {
      // NFS may repeat a successful link and report the second try. The file has a second name if the first try succeeded.
      return (await lstat(from)).nlink > 1;
    }
    throw error;
  }
}

async function makeFolders(root: string, segments: readonly string[]): Promise<void> {
  let path = root;
  for (const segment of segments.slice(0, -1)) {
    path = join(path, segment);
    await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
      // ENOENT: a parent was removed meanwhile. The rename then fails and the caller tries again.
      if (systemCode(error) !== 'EEXIST' && !isMissing(error)) throw error;
    });
    const stat = await lstat(path).catch(() => undefined);
    if (stat === undefined || stat.isDirectory()) continue;
    const key = segments.join('/');
    if (stat.isSymbolicLink()) {
      throw new SconceError(
        'storage_unavailable',
        `${key} passes through the symbolic link ${segment}: links below the storage folder are not followed`,
      );
    }
    throw new SconceError('invalid_request', `${key} cannot be stored: ${segment} in its path is a blob`);
  }
}

async function refuseFolder(path: string, segments: readonly string[]): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat?.isDirectory() !== true) return;
  throw new SconceError('invalid_request', `${segments.join('/')} cannot be stored: it is the prefix of other blobs`);
}

/** Makes the new name survive a power cut. Failures are ignored: the blob is complete and visible, and some file systems refuse this. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close().catch(() => undefined);
}
