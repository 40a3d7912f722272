import { open } from 'node:fs/promises';
import type { OpenByteSource } from './byte-source.ts';
import { FileByteSource } from './folder-reader.ts';
import { storageError } from './storage-error.ts';

/** Opens any file of this machine for random access. @throws SconceError `storage_unavailable` if it cannot be opened. */
export async function openFile(path: string): Promise<OpenByteSource> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw storageError(error, `cannot open ${path}`);
  });
  try {
    const { size } = await handle.stat();
    return new FileByteSource(handle, path, size);
  } catch (error) {
    await handle.close();
    throw storageError(error, `cannot read the size of ${path}`);
  }
}
