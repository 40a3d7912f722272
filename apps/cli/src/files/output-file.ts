import { access, constants, open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { failure, UsageError } from '../output/failure.ts';

/**
 * The real path of a file that will be written: if `file` is a link, the path that it points to.
 *
 * @throws UsageError if it is not a file, or one of `sources`, which the command reads.
 */
export async function outputPath(file: string, sources: readonly string[]): Promise<string> {
  const path = await realpath(file).catch(() => undefined);
  if (path === undefined) return file;
  if (!(await stat(path)).isFile()) throw new UsageError(`${file} is not a file.`, 'Give another path for the output.');
  if (sources.includes(path)) {
    throw new UsageError(`${file} is the input of this command.`, 'Give another path for the output.');
  }
  return path;
}

/**
 * Checks that a file can be written, before the work begins whose result it gets. `sources` are the real paths of files that
 * the command reads.
 *
 * @throws UsageError as `outputPath`; SconceError `storage_unavailable` if its folder does not exist or is not writable.
 */
export async function checkOutput(file: string, sources: readonly string[]): Promise<void> {
  const path = await outputPath(file, sources);
  await access(dirname(path), constants.W_OK).catch(rethrow(file));
}

/** Writes a file's content. */
export type Content = (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>;

/**
 * Writes files that belong together: either all are written completely, or all stay as before. They get their names in
 * the order given.
 *
 * @throws SconceError `storage_unavailable` if they cannot be written; the error of a `content`.
 */
export async function writeFiles(
  files: readonly { readonly path: string; readonly content: Content }[],
): Promise<void> {
  const partial = (path: string): string => `${path}.${process.pid}.partial`;
  try {
    for (const { path, content } of files) await writeFile(partial(path), path, content);
    for (const { path } of files) await rename(partial(path), path).catch(rethrow(path));
  } catch (error) {
    for (const { path } of files) await rm(partial(path), { force: true });
    throw error;
  }
}

async function writeFile(path: string, name: string, content: Content): Promise<void> {
  const handle = await open(path, 'wx').catch(rethrow(name));
  try {
    await content((bytes) => writeAll(handle, bytes).catch(rethrow(name)));
    await handle.sync().catch(rethrow(name));
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    done += (await handle.write(bytes, done, bytes.byteLength - done)).bytesWritten;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'the folder does not exist',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
};

function rethrow(name: string): (cause: unknown) => never {
  return (cause) => {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    const hint = 'Give a path in a writable folder with enough space.';
    throw failure('storage_unavailable', `${name} cannot be written: ${REASONS[code] ?? message}.`, { hint, cause });
  };
}
