const SMALLEST_CLASS_BYTES = 4096;

/**
 * Recycled shared memory for tasks. Buffers come in powers of two from 4 KiB; at most `maxIdleBytes` lie idle, what
 * is returned beyond that goes to the garbage collector. What is out at once is bounded by the tasks under way.
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

  /** A buffer of at least `byteLength` bytes. Its contents are what the last user left. */
  acquire(byteLength: number): SharedArrayBuffer {
    const size = sizeClass(byteLength);
    const buffer = this.#idle.get(size)?.pop();
    if (buffer === undefined) return new SharedArrayBuffer(size);
    this.#idleBytes -= size;
    return buffer;
  }

  /** Gives a buffer back. The caller must hold no view of it that it still reads. */
  release(buffer: SharedArrayBuffer): void {
    if (this.#idleBytes + buffer.byteLength > this.#maxIdleBytes) return;
    const shelf = this.#idle.get(buffer.byteLength);
    if (shelf === undefined) this.#idle.set(buffer.byteLength, [buffer]);
    else shelf.push(buffer);
    this.#idleBytes += buffer.byteLength;
  }
}

function sizeClass(byteLength: number): number {
  let size = SMALLEST_CLASS_BYTES;
  while (size < byteLength) size *= 2;
  return size;
}
