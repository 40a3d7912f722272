import { Readable } from 'node:stream';

/** What can be stored: bytes, or anything that yields them piece by piece (a Node Readable, a generator). */
export type BlobBody = Uint8Array | AsyncIterable<Uint8Array>;

const SLICE_BYTES = 256 * 1024;

/**
 * The body piece by piece. Bytes come in slices, so that hashing a large buffer does not hold up the event loop.
 * Leaving early (or `signal`, even while the body hangs) ends a generator, but never destroys a Node Readable: its owner
 * may still want to answer on the same socket. Throws what the body throws, or the signal's reason.
 */
export async function* chunksOf(body: BlobBody, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted();
  if (body instanceof Uint8Array) {
    for (let start = 0; start < body.byteLength; start += SLICE_BYTES) {
      yield body.subarray(start, start + SLICE_BYTES);
      signal?.throwIfAborted();
    }
    return;
  }
  const iterator: AsyncIterator<unknown> = body[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const step = await nextOrAbort(iterator, signal);
      if (step.done === true) {
        ended = true;
        return;
      }
      // A Readable with an encoding set yields text, whatever its type says.
      yield typeof step.value === 'string' ? Buffer.from(step.value) : (step.value as Uint8Array);
    }
  } finally {
    // Not awaited: the return of a generator that hangs in a pending `next` settles only when that does.
    if (!ended && !(body instanceof Readable)) iterator.return?.().then(undefined, () => undefined);
  }
}

async function nextOrAbort(iterator: AsyncIterator<unknown>, signal?: AbortSignal): Promise<IteratorResult<unknown>> {
  if (signal === undefined) return iterator.next();
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<unknown>>();
  const onAbort = (): void => reject(signal.reason);
  // One listener per step: racing one long-lived promise would gather a reaction per chunk.
  signal.addEventListener('abort', onAbort, { once: true });
  iterator.next().then(resolve, reject);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
