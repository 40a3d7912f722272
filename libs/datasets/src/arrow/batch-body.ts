import { zstdDecompressSync } from 'node:zlib';
import type { ByteSource } from '@sconce/storage';
import type { BatchLayout } from './arrow-messages.ts';
import { lz4Frame } from './lz4-frame.ts';

/** Bodies up to this size are always read whole. */
const SMALL_BODY_BYTES = 1024 ** 2;
/** Bodies up to this size are read whole if most of them is needed. */
const WHOLE_BODY_BYTES = 8 * 1024 ** 2;
/** Largest buffer that is decompressed. Of an uncompressed buffer only the requested rows are read. */
const MAX_BUFFER_BYTES = 512 * 1024 ** 2;
/** Decompressed buffers that are kept for the next rows. */
const MAX_KEPT_BYTES = 32 * 1024 ** 2;
const LENGTH_BYTES = 8;
const NOT_COMPRESSED = -1n;

/** The buffers of one batch. Ranges of them are read. */
export class BatchBody {
  readonly layout: BatchLayout;
  readonly #source: ByteSource;
  readonly #offset: number;
  readonly #bytes: number;
  #whole: Promise<Uint8Array> | undefined;
  readonly #decompressed = new Map<number, Uint8Array>();
  #kept = 0;

  /** @param body position of the body in the source. */
  constructor(source: ByteSource, layout: BatchLayout, body: { readonly offset: number; readonly end: number }) {
    this.#source = source;
    this.layout = layout;
    this.#offset = body.offset;
    this.#bytes = body.end - body.offset;
  }

  /** Reads the whole body if that is cheaper than reading `wantedBytes` of it in pieces. */
  prepare(wantedBytes: number): void {
    const whole =
      this.#bytes <= SMALL_BODY_BYTES || (this.#bytes <= WHOLE_BODY_BYTES && wantedBytes >= this.#bytes / 2);
    if (!whole || this.#whole !== undefined) return;
    this.#whole = this.#source.read(this.#offset, this.#bytes);
    // A later read of the body gets the error.
    this.#whole.catch(() => undefined);
  }

  /** Bytes of a buffer before decompression. */
  sizeOf(buffer: number): number {
    return this.#region(buffer).length;
  }

  /** Bytes `from` to `to` of a buffer, aligned to `alignment`. @throws RangeError if it has fewer bytes or cannot be decompressed. */
  async slice(buffer: number, from: number, to: number, alignment = 1): Promise<Uint8Array> {
    if (to <= from) return new Uint8Array(0);
    const { offset, length } = this.#region(buffer);
    if (this.layout.compression !== undefined) {
      const whole = await this.#decompress(buffer);
      if (to > whole.byteLength) throw tooShort(buffer, to, whole.byteLength);
      return aligned(whole.subarray(from, to), alignment);
    }
    if (to > length) throw tooShort(buffer, to, length);
    return aligned(await this.#read(offset + from, to - from), alignment);
  }

  #region(buffer: number): { readonly offset: number; readonly length: number } {
    const region = this.layout.buffers[buffer];
    if (region === undefined) throw new RangeError(`buffer ${buffer} is missing`);
    return region;
  }

  async #decompress(buffer: number): Promise<Uint8Array> {
    const kept = this.#decompressed.get(buffer);
    if (kept !== undefined) return kept;
    const { offset, length } = this.#region(buffer);
    if (length === 0) return new Uint8Array(0);
    if (length < LENGTH_BYTES) throw tooShort(buffer, LENGTH_BYTES, length);
    const bytes = await this.#read(offset, length);
    const claimed = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigInt64(0, true);
    const content = bytes.subarray(LENGTH_BYTES);
    const whole = claimed === NOT_COMPRESSED ? content : this.#content(content, Number(claimed));
    if (this.#kept + whole.byteLength <= MAX_KEPT_BYTES) {
      this.#decompressed.set(buffer, whole);
      this.#kept += whole.byteLength;
    }
    return whole;
  }

  #content(bytes: Uint8Array, length: number): Uint8Array {
    if (length < 0 || length > MAX_BUFFER_BYTES) {
      throw new RangeError(
        `a buffer has ${length} bytes after decompression; at most ${MAX_BUFFER_BYTES} are supported, so write smaller batches`,
      );
    }
    if (length === 0) return bytes.subarray(0, 0);
    const whole =
      this.layout.compression === 'lz4'
        ? lz4Frame(bytes, length)
        : zstdDecompressSync(bytes, { maxOutputLength: length });
    if (whole.byteLength === length) return whole;
    throw new RangeError(`a buffer has ${whole.byteLength} bytes after decompression, and the file says ${length}`);
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#whole === undefined) return this.#source.read(this.#offset + offset, length);
    return (await this.#whole).subarray(offset, offset + length);
  }
}

/** Typed arrays need bytes that begin at a multiple of the element size. */
function aligned(bytes: Uint8Array, alignment: number): Uint8Array {
  return bytes.byteOffset % alignment === 0 ? bytes : Uint8Array.from(bytes);
}

function tooShort(buffer: number, wanted: number, length: number): RangeError {
  return new RangeError(`buffer ${buffer} has ${length} bytes, and ${wanted} are needed`);
}
