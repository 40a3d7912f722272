import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { SconceError } from '@sconce/errors';
import type { PutOptions, StoredBlob } from './blob-store.ts';
import { chunksOf, type BlobBody } from './body-chunks.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { s3Error, s3Failure } from './s3-error.ts';
import { S3Parts } from './s3-parts.ts';

const MIB = 1024 ** 2;
const MIN_PART_BYTES = 8 * MIB;
const MAX_PARTS = 10_000;
/** S3 takes no larger object, whatever the caller allows. */
const MAX_OBJECT_BYTES = 5 * 1024 ** 4;
const MAX_CONFLICTS = 6;
const FIRST_DELAY_MS = 50;

/** Bytes per part so that `maxBytes` fit into the 10 000 parts S3 takes: 8 MiB up to 78 GiB. All parts are of one size. */
export function partBytesFor(maxBytes: number): number {
  const needed = Math.ceil(Math.min(maxBytes, MAX_OBJECT_BYTES) / MAX_PARTS);
  return Math.max(MIN_PART_BYTES, Math.ceil(needed / MIB) * MIB);
}

/**
 * Streams a body into an object: in one request where it fits into a part, else in several, of which at most two are in
 * memory. The object appears when the last request succeeds. On any failure the parts sent are given up.
 * @returns `'exists'` where `ifAbsent` and the key is taken.
 * @throws what the body throws, the signal's reason; SconceError `payload_too_large`, `storage_unavailable`.
 */
export async function uploadBlob(
  bucket: S3Bucket,
  key: string,
  body: BlobBody,
  options: PutOptions,
): Promise<StoredBlob | 'exists'> {
  const { maxBytes, ifAbsent = false } = options;
  const failure = new AbortController();
  const signals = options.signal === undefined ? [failure.signal] : [failure.signal, options.signal];
  const signal = AbortSignal.any(signals);
  const mark = randomUUID();
  const partBytes = partBytesFor(maxBytes);
  const parts = new S3Parts(bucket, key, { mark, partBytes, signal, onFailure: (error) => failure.abort(error) });
  try {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    let buffer = Buffer.allocUnsafeSlow(Math.min(partBytes, maxBytes));
    let filled = 0;
    for await (const chunk of chunksOf(body, signal)) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > maxBytes) throw tooLarge(key, maxBytes);
      hash.update(chunk);
      for (let done = 0; done < chunk.byteLength;) {
        // Only now is it certain that the part is not the last one.
        if (filled === buffer.byteLength) {
          buffer = await parts.send(buffer);
          filled = 0;
        }
        const piece = chunk.subarray(done, done + buffer.byteLength - filled);
        buffer.set(piece, filled);
        filled += piece.byteLength;
        done += piece.byteLength;
      }
    }
    const last = buffer.subarray(0, filled);
    const condition = ifAbsent ? { IfNoneMatch: '*' } : {};
    // No signal from here on: who gives up now could not know whether the object is there.
    const write = parts.begun
      ? await parts.finish(last, condition)
      : (): Promise<unknown> =>
          bucket.s3.putObject({ ...bucket.address(key), ...condition, Metadata: bucket.marked(mark), Body: last });
    const isOurs = await decide(bucket, key, { ifAbsent, mark, write });
    if (!isOurs) await parts.abandon();
    return isOurs ? { sizeBytes, sha256: hash.digest('hex') } : 'exists';
  } catch (error) {
    failure.abort(error);
    await parts.abandon();
    if (options.signal?.aborted === true) throw options.signal.reason;
    throw error;
  }
}

/**
 * Sends the request that makes the object appear, until the server decides. False where the key is taken.
 *
 * The SDK repeats a request whose answer was lost: "taken" and "no such upload" may then be the echo of our own success,
 * which the mark on the object tells.
 */
async function decide(
  bucket: S3Bucket,
  key: string,
  options: { readonly ifAbsent: boolean; readonly mark: string; readonly write: () => Promise<unknown> },
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      await options.write();
      return true;
    } catch (error) {
      const { name, status } = s3Failure(error);
      // Another conditional write or a delete of the same key was under way.
      if (status === 409 && attempt < MAX_CONFLICTS) {
        await delay(FIRST_DELAY_MS * 2 ** attempt * (0.5 + Math.random() / 2));
        continue;
      }
      const isTaken = options.ifAbsent && status === 412;
      if (isTaken || name === 'NoSuchUpload') {
        const found = await bucket.head(key);
        if (found?.uploadMark === options.mark) return true;
        if (isTaken || (options.ifAbsent && found !== undefined)) return false;
      }
      throw s3Error(error, `storing ${key} failed`);
    }
  }
}

function tooLarge(key: string, maxBytes: number): SconceError {
  return new SconceError(
    'payload_too_large',
    `${key} is larger than the ${maxBytes} bytes allowed: send less or raise the limit`,
    { details: { max_bytes: maxBytes } },
  );
}
