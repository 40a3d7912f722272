const SMALLEST_CLASS_BYTES = 4096;

/**
 * Shared memory for tasks, which is used again. Buffer sizes are powers of two from 4 KiB. At most `maxIdleBytes` lie idle; other
 * returned buffers are left to the garbage collector. The number of buffers in use is bounded by the tasks in flight.
 */
export class SharedArena {
  readonly #idle = new Map<number, SharedArrayBuffer[]>();
  readonly #maxIdleBytes: number;
  #idleBytes = 0;

  constructor(options: { maxIdleBytes: number }) {
    this.#maxIdleBytes = options.maxIdleBytes;
  }

  /** Bytes that lie idle. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A buffer of at least `byteLength` bytes. It still holds the data of its last user. */
  acquire(byteLength: number): SharedArrayBuffer {
    const size = sizeClass(byteLength);
    const buffer = this.#idle.get(size)?.pop();
    if (buffer === undefined) return new SharedArrayBuffer(size);
    this.#idleBytes -= size;
    return buffer;
  }

  /** Gives a buffer back. The caller must not read it any more. */
  release(buffer: SharedArrayBuffer): void {
    if (this.#idleBytes + buffer.byteLength > this.#maxIdleBytes) return;
    const buffers = this.#idle.get(buffer.byteLength);
    if (buffers === undefined) this.#idle.set(buffer.byteLength, [buffer]);
    else buffers.push(buffer);
    this.#idleBytes += buffer.byteLength;
  }
}

function sizeClass(byteLength: number): number {
  let size = SMALLEST_CLASS_BYTES;
  while (size < byteLength) size *= 2;
  return size;
}
