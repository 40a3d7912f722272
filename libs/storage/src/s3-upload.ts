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
/** Largest object that S3 accepts. */
const MAX_OBJECT_BYTES = 5 * 1024 ** 4;
const MAX_CONFLICTS = 6;
const FIRST_DELAY_MS = 50;

/** Bytes per part, so that `maxBytes` fit into the 10 000 parts that S3 accepts: 8 MiB up to 78 GiB. All parts have the same size. */
export function partBytesFor(maxBytes: number): number {
  const needed = Math.ceil(Math.min(maxBytes, MAX_OBJECT_BYTES) / MAX_PARTS);
  return Math.max(MIN_PART_BYTES, Math.ceil(needed / MIB) * MIB);
}

/**
 * Streams a body into an object: in one request if it fits into one part, else in several parts, of which at most two are in memory. The
 * object becomes visible when the last request succeeds. After a failure the sent parts are abandoned.
 * @returns `'exists'` with `ifAbsent` if the key is taken.
 * @throws the error of the body, the signal's reason; SconceError `payload_too_large`, `storage_unavailable`.
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
        // More bytes follow, so this part is not the last one.
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
    // The signal has no effect from here on: after an abort the caller could not know whether the object exists.
    const write = parts.begun
      ? await parts.finish(last, condition)
      : (): Promise<unknown> =>
          bucket.s3.putObject({ ...bucket.address(key), ...condition, Metadata: bucket.marked(mark), Body: last });
    const isOurs = await publishObject(bucket, key, { ifAbsent, mark, write });
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
 * Sends the request that makes the object visible until the server decides. False if the key is taken.
 *
 * The SDK repeats a request if its answer was lost. "Key taken" and "no such upload" may then mean that the first request succeeded. The
 * mark on the object shows this.
 */
async function publishObject(
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
      // Another conditional write or a delete of the same key was in flight.
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
