import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { SconceError } from '@sconce/errors';
import type { FileDigest } from './thread-protocol.ts';

const CHUNK_BYTES = 1024 * 1024;

/**
 * Compares files with their digests. Reading them also brings them into the page cache that a later mapping uses.
 * @throws SconceError `model_corrupt` for a file that is gone or holds something else.
 */
export async function verifyFiles(files: readonly FileDigest[]): Promise<void> {
  for (const { path, sha256 } of files) {
    const found = await digestOf(path).catch((cause: unknown) => {
      throw new SconceError('model_corrupt', `A file of the model can't be read (${String(cause)}): push it again.`, {
        cause,
      });
    });
    if (found !== sha256) {
      throw new SconceError(
        'model_corrupt',
        `A file of the model has changed since it was proved (its digest is ${found}, not ${sha256}): push the model again.`,
      );
    }
  }
}

async function digestOf(path: string): Promise<string> {
  await using file = await open(path, 'r');
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, bytesRead));
  }
}
