/** Smaller memory is left to the garbage collector: it costs little there. */
const LEAST_BYTES = 16 * 1024;

/**
 * Frees the memory of large bytes at once. V8 knows such memory only by its size: it has to mark the whole heap to find that nobody uses it,
 * and does so after each 64 MB of them. With bodies of 600 KB that is more work than everything else that is done for a request.
 *
 * The caller must be the only owner: no native write of the bytes may be under way, and nobody may read them any more. All views of the
 * memory are empty from then on, so a late reader finds no bytes, and never those of another request. Bytes that are not the whole of their
 * memory, shared memory and small bytes stay as they are. May be called again for the same bytes.
 */
export function freeBytes(bytes: Uint8Array): void {
  if (!isFreeable(bytes)) return;
  bytes.buffer.transfer(0);
}

/** Views that are the only ones of their memory, although they are not the whole of it. */
const owners = new WeakSet<Uint8Array>();

/** Declares that nobody else uses the memory of `bytes`, also not the part that `bytes` leaves out. Returns `bytes`. */
export function ownMemory<T extends Uint8Array>(bytes: T): T {
  if (bytes.byteLength < bytes.buffer.byteLength) owners.add(bytes);
  return bytes;
}

/** Whether `freeBytes` has something to free. */
export function isFreeable(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  const { byteLength, buffer } = bytes;
  if (byteLength < LEAST_BYTES || !(buffer instanceof ArrayBuffer)) return false;
  return byteLength === buffer.byteLength || owners.has(bytes);
}
