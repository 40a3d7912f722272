import { SconceError } from '@sconce/errors';

/** Random access to a sequence of bytes that does not change while it is read. */
export interface ByteSource {
  /** Length in bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`. The result may share memory with the source: do not write to it.
   * @throws SconceError `internal` if the range is not within the source (compare it with `size` first), `storage_unavailable` if the bytes
   * cannot be read.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /**
   * Like `read`, but into memory of the caller, so that reading a whole file in pieces makes no garbage. Not every source supports it.
   */
  readInto?(offset: number, target: Uint8Array): Promise<void>;
}

/** Fills `target` from `offset`, without a copy if the source supports `readInto`. Throws the errors of `read`. */
export async function readInto(source: ByteSource, offset: number, target: Uint8Array): Promise<void> {
  if (source.readInto !== undefined) await source.readInto(offset, target);
  else target.set(await source.read(offset, target.byteLength));
}

/** A ByteSource with an open file or connection. The caller closes it; later reads throw. */
export interface OpenByteSource extends ByteSource, AsyncDisposable {
  /** Idempotent. */
  close(): Promise<void>;
}

/** Throws SconceError `internal` unless `[offset, offset + length)` lies within a source of `size` bytes. */
export function checkRange(size: number, offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (whole && offset >= 0 && length >= 0 && offset + length <= size) return;
  throw new SconceError(
    'internal',
    `read of ${length} bytes at offset ${offset} is not within a source of ${size} bytes: check the range before reading`,
  );
}

/** Bytes in memory as a ByteSource; reads are views of `bytes`. */
export class MemoryByteSource implements OpenByteSource {
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.byteLength;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this.size, offset, length);
    return this.#bytes.subarray(offset, offset + length);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
