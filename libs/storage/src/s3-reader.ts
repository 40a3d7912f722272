import { setTimeout as delay } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { SconceError } from '@sconce/errors';
import { checkRange, type OpenByteSource } from './byte-source.ts';
import { changed, type S3Bucket } from './s3-bucket.ts';
import { s3Error } from './s3-error.ts';

/** A connection that delivers no bytes for this time, although a reader waits, is closed. */
const STALL_MS = 30_000;
const MAX_FAILURES = 4;
const FIRST_DELAY_MS = 100;

/** Bytes `[offset, end)` of one version of an object. */
export interface S3Part {
  readonly key: string;
  readonly etag: string;
  readonly offset: number;
  readonly end: number;
}

interface Connection {
  readonly stream: Readable;
  readonly chunks: AsyncIterator<unknown>;
}

/**
 * Reads a part of an object from start to end. If the connection breaks or stalls, a new one continues at the same byte and version. It
 * fails when several connections in a row deliver nothing. States: idle → (next) → connected → … → closed, final.
 */
export class S3PartReader {
  readonly #bucket: S3Bucket;
  readonly #part: S3Part;
  readonly #ending = new AbortController();
  #offset: number;
  #failures = 0;
  #body: Connection | undefined;

  /** `first` is a body that begins at the part's offset. This reader then owns it. */
  constructor(bucket: S3Bucket, part: S3Part, first?: Readable) {
    this.#bucket = bucket;
    this.#part = part;
    this.#offset = part.offset;
    if (first !== undefined) this.#attach(first);
  }

  /** The next bytes, about 64 KiB; undefined at the end. @throws SconceError `storage_unavailable`. */
  async next(): Promise<Uint8Array | undefined> {
    const { key, end } = this.#part;
    for (;;) {
      if (this.#offset >= end) {
        this.#detach();
        return undefined;
      }
      try {
        const chunk = await this.#receive();
        const wanted = chunk.subarray(0, end - this.#offset);
        this.#offset += wanted.byteLength;
        this.#failures = 0;
        return wanted;
      } catch (error) {
        this.#detach();
        // An error of `get` is final: the SDK has tried several times.
        if (error instanceof SconceError || ++this.#failures >= MAX_FAILURES) {
          throw s3Error(error, `reading ${key} failed at byte ${this.#offset}`);
        }
        await delay(FIRST_DELAY_MS * 2 ** this.#failures, undefined, { signal: this.#ending.signal });
      }
    }
  }

  /** Closes the connection. A running `next` fails. Idempotent. */
  close(): void {
    this.#ending.abort(new SconceError('internal', `${this.#part.key} was closed while it was read`));
    this.#detach();
  }

  async #receive(): Promise<Uint8Array> {
    const { stream, chunks } = this.#body ?? (await this.#connect());
    const timer = setTimeout(() => stream.destroy(new Error('the server stopped sending')), STALL_MS);
    try {
      for (;;) {
        const step = await chunks.next();
        if (step.done === true) throw new Error('the connection ended early');
        const chunk = step.value as Uint8Array;
        if (chunk.byteLength > 0) return chunk;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #connect(): Promise<Connection> {
    const { key, etag, end } = this.#part;
    const { signal } = this.#ending;
    signal.throwIfAborted();
    const range = { offset: this.#offset, length: end - this.#offset };
    const found = await this.#bucket.get(key, { range, etag, signal });
    if (found === undefined) throw changed(key, 'deleted');
    if (found === 'outside') throw changed(key, 'cut short');
    return this.#attach(found.body);
  }

  #attach(stream: Readable): Connection {
    // Between two reads there is no other listener. The next read gets the error from the iterator.
    stream.on('error', () => undefined);
    this.#body = { stream, chunks: stream[Symbol.asyncIterator]() as AsyncIterator<unknown> };
    return this.#body;
  }

  #detach(): void {
    this.#body?.stream.destroy();
    this.#body = undefined;
  }
}

/** All bytes of a part. */
export async function readPart(bucket: S3Bucket, part: S3Part, first?: Readable): Promise<Uint8Array> {
  const reader = new S3PartReader(bucket, part, first);
  try {
    // allocUnsafeSlow: the caller may hand the buffer to a thread, so it must not be a slice of Node's shared pool.
    const bytes = Buffer.allocUnsafeSlow(part.end - part.offset);
    let done = 0;
    for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) {
      bytes.set(chunk, done);
      done += chunk.byteLength;
    }
    return bytes;
  } finally {
    reader.close();
  }
}

/** A part as a stream. It owns `first` and releases it at the end, on an error and on `destroy`, even if it is never read. */
export function streamPart(bucket: S3Bucket, part: S3Part, first?: Readable): Readable {
  const reader = new S3PartReader(bucket, part, first);
  return new Readable({
    read() {
      reader.next().then(
        (chunk) => this.push(chunk ?? null),
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, callback) {
      reader.close();
      callback(error);
    },
  });
}

/** Random access to one version of an object. Each read is one request with the ETag of the version. */
export class S3ByteSource implements OpenByteSource {
  readonly size: number;
  readonly #bucket: S3Bucket;
  readonly #key: string;
  readonly #etag: string;
  #closed = false;

  constructor(bucket: S3Bucket, key: string, version: { readonly etag: string; readonly sizeBytes: number }) {
    this.#bucket = bucket;
    this.#key = key;
    this.#etag = version.etag;
    this.size = version.sizeBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this.size, offset, length);
    if (this.#closed) throw new SconceError('internal', `${this.#key} was read after it was closed`);
    return readPart(this.#bucket, { key: this.#key, etag: this.#etag, offset, end: offset + length });
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
