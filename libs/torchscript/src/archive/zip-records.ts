import type { ByteSource } from '@sconce/storage';

import { modelError } from '../torchscript-error.ts';
import { crc32 } from './crc32.ts';
import { inflate } from './inflate.ts';
import { readRanges } from './read-ranges.ts';
import type { ZipEntry } from './zip-directory.ts';

/** The records' bytes as they are in the file, in few reads. Memory is their `storedBytes`: check them before. */
export async function readStored(source: ByteSource, entries: readonly ZipEntry[]): Promise<Uint8Array[]> {
  return readRanges(
    source,
    entries.map(({ dataOffset, storedBytes }) => ({ offset: dataOffset, length: storedBytes })),
  );
}

/**
 * A record from its bytes in the file: inflated, and checked against its CRC-32. Memory is its `bytes`: check it before.
 *
 * @throws SconceError `model_invalid` where the data is corrupt.
 */
export function unpackRecord(entry: ZipEntry, data: Uint8Array): Uint8Array {
  const bytes = entry.method === 'stored' ? data : inflate(data, entry.bytes, entry.name);
  if (crc32(bytes) === entry.crc32) return bytes;
  const message = `record ${entry.name} is corrupt (its CRC-32 does not match); copy the file again, or save the model again`;
  throw modelError('archive', message, { record: entry.name });
}
