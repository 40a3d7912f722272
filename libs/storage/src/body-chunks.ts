import { Readable } from 'node:stream';

/** The content of a blob: bytes, or an iterable of bytes such as a Node Readable or a generator. */
export type BlobBody = Uint8Array | AsyncIterable<Uint8Array>;

const SLICE_BYTES = 256 * 1024;

/**
 * The body in pieces. A large buffer is sliced, so that hashing it does not block the event loop. If the caller stops early or `signal`
 * aborts (even while the body hangs), a generator is ended, but a Node Readable is never destroyed: its owner may still have to answer on
 * the same socket. Throws the error of the body or the signal's reason.
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
      // A Readable with an encoding yields text, although its type does not say so.
      yield typeof step.value === 'string' ? Buffer.from(step.value) : (step.value as Uint8Array);
    }
  } finally {
    // Not awaited: `return` of a generator settles only after its pending `next`, which may hang.
    if (!ended && !(body instanceof Readable)) iterator.return?.().then(undefined, () => undefined);
  }
}

async function nextOrAbort(iterator: AsyncIterator<unknown>, signal?: AbortSignal): Promise<IteratorResult<unknown>> {
  if (signal === undefined) return iterator.next();
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<unknown>>();
  const onAbort = (): void => reject(signal.reason);
  // One listener per step. A race with one long-lived promise would keep a reaction for each chunk.
  signal.addEventListener('abort', onAbort, { once: true });
  iterator.next().then(resolve, reject);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
