import type { Redis } from 'ioredis';
import type { InferJob } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { decodeFrame, framePieces, type Tensor } from '@sconce/tensor';
import type { Keys } from '../redis/keys.ts';

/** Base64 in the job costs a third more bytes and saves a round trip. Above this size a key of its own is faster (measured). */
const MAX_INLINE_BYTES = 16 * 1024;

/** The tensors of a queue job as they are stored: in the job, or under a key of their own. */
export interface StoredPayload {
  readonly reference: InferJob['payload'];
  /** To be stored under `key` before the job is added. */
  readonly beside?: { readonly key: string; readonly pieces: readonly Uint8Array[] };
}

/** Packs the tensors of a job's requests, in order. `beside` is the memory of the tensors themselves: it must not change. */
export function packPayload(keys: Keys, queueJobId: string, tensors: readonly Tensor[]): StoredPayload {
  const { pieces, byteLength } = framePieces({ meta: null, tensors });
  if (byteLength <= MAX_INLINE_BYTES) return { reference: { inline: Buffer.concat(pieces).toString('base64') } };
  const key = keys.payload(queueJobId);
  return { reference: { key }, beside: { key, pieces } };
}

/** Reads the tensors of a job. Throws `deadline_exceeded` when they have expired. */
export async function readPayload(redis: Redis, reference: InferJob['payload']): Promise<readonly Tensor[]> {
  if ('inline' in reference) return decodeFrame(Buffer.from(reference.inline, 'base64')).tensors;
  const bytes = await redis.getBuffer(reference.key);
  if (bytes === null) {
    throw new SconceError('deadline_exceeded', 'The request waited so long that its tensors have expired.');
  }
  return decodeFrame(bytes).tensors;
}

/** Removes the key with the tensors of a finished job, if there is one. */
export async function dropPayload(redis: Redis, reference: InferJob['payload']): Promise<void> {
  if ('key' in reference) await redis.unlink(reference.key);
}
