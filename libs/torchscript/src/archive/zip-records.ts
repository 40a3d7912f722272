import type { ByteSource } from '@sconce/storage';

import { modelError } from '../torchscript-error.ts';
import { crc32 } from './crc32.ts';
import { inflate } from './inflate.ts';
import { readRanges } from './read-ranges.ts';
import type { ZipEntry } from './zip-directory.ts';

/** Reads the records' bytes as they are in the file, in few reads. It needs `storedBytes` of memory for each: check that before. */
export async function readStored(source: ByteSource, entries: readonly ZipEntry[]): Promise<Uint8Array[]> {
  return readRanges(
    source,
    entries.map(({ dataOffset, storedBytes }) => ({ offset: dataOffset, length: storedBytes })),
  );
}

/**
 * Inflates a record from its bytes in the file, and checks its CRC-32. It needs `bytes` of memory: check that before.
 *
 * @throws SconceError `model_invalid` if the data is corrupt.
 */
export function unpackRecord(entry: ZipEntry, data: Uint8Array): Uint8Array {
  const bytes = entry.method === 'stored' ? data : inflate(data, entry.bytes, entry.name);
  if (crc32(bytes) === entry.crc32) return bytes;
  const message = `record ${entry.name} is corrupt (its CRC-32 does not match); copy the file again, or save the model again`;
  throw modelError('archive', message, { record: entry.name });
}
