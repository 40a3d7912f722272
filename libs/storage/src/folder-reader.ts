import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { SconceError } from '@sconce/errors';
import { checkRange, type OpenByteSource } from './byte-source.ts';
import { storageError } from './storage-error.ts';

const STREAM_CHUNK_BYTES = 256 * 1024;

/** Exactly `length` bytes at `offset`. The length of the file is known, so a file that ends early was shortened by another program. */
export async function readExactly(
  handle: FileHandle,
  key: string,
  range: { offset: number; length: number },
): Promise<Uint8Array> {
  // allocUnsafeSlow: the caller may hand the buffer to a thread, so it must not be a slice of Node's shared pool.
  const bytes = Buffer.allocUnsafeSlow(range.length);
  await fillExactly(handle, key, { offset: range.offset, target: bytes });
  return bytes;
}

async function fillExactly(
  handle: FileHandle,
  key: string,
  { offset, target }: { offset: number; target: Uint8Array },
): Promise<void> {
  const { byteLength: length } = target;
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(target, done, length - done, offset + done).catch((error) => {
      throw storageError(error, `reading ${key} failed`);
    });
    if (bytesRead === 0) {
      throw new SconceError(
        'storage_unavailable',
        `${key} ends at byte ${offset + done}, before byte ${offset + length}: ` +
          'another program shortened it while it was read; only Sconce may write to its storage folder',
      );
    }
    done += bytesRead;
  }
}

/** Random access to an open file. It owns the handle. */
export class FileByteSource implements OpenByteSource {
  readonly size: number;
  readonly #handle: FileHandle;
  readonly #key: string;
  #closing: Promise<void> | undefined;

  constructor(handle: FileHandle, key: string, size: number) {
    this.#handle = handle;
    this.#key = key;
    this.size = size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this.size, offset, length);
    if (this.#closing !== undefined) throw new SconceError('internal', `${this.#key} was read after it was closed`);
    return readExactly(this.#handle, this.#key, { offset, length });
  }

  async readInto(offset: number, target: Uint8Array): Promise<void> {
    checkRange(this.size, offset, target.byteLength);
    if (this.#closing !== undefined) throw new SconceError('internal', `${this.#key} was read after it was closed`);
    await fillExactly(this.#handle, this.#key, { offset, target });
  }

  close(): Promise<void> {
    this.#closing ??= this.#handle.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * A range of an open source as a stream. The stream owns the source and closes it at the end, on an error and on `destroy`, even if it is
 * never read. (A generator that never starts does not run its `finally`, so this is not a generator.)
 */
export function streamOf(source: OpenByteSource, range: { offset: number; length: number }): Readable {
  let { offset } = range;
  const end = range.offset + range.length;
  return new Readable({
    highWaterMark: STREAM_CHUNK_BYTES,
    read() {
      if (offset >= end) {
        this.push(null);
        return;
      }
      const length = Math.min(STREAM_CHUNK_BYTES, end - offset);
      source.read(offset, length).then(
        (bytes) => {
          offset += length;
          this.push(bytes);
        },
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, callback) {
      source.close().then(
        () => callback(error),
        (closeError: Error) => callback(error ?? closeError),
      );
    },
  });
}
