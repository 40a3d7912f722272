import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { SconceError } from '@sconce/errors';
import type { FileDigest } from './thread-protocol.ts';

const CHUNK_BYTES = 1024 * 1024;

/**
 * Compares files with their digests. This also reads them into the page cache, which a later mapping uses.
 * @throws SconceError `model_not_found` for a file that is gone; `model_corrupt` for a file that can't be read or has another digest.
 */
export async function verifyFiles(files: readonly FileDigest[]): Promise<void> {
  for (const { path, sha256 } of files) {
    const found = await digestOf(path).catch((cause: unknown) => {
      if (!existsSync(path)) throw modelGone(path);
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

/** The error for a file that is gone: its version was removed, maybe while a worker was about to load it. */
export function modelGone(path: string): SconceError {
  // Callers get this message: it has no folder of this machine.
  return new SconceError(
    'model_not_found',
    `A file of the model is gone (${basename(path)}): its version was removed.`,
  );
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
