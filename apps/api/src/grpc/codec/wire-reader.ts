import { SconceError } from '@sconce/errors';

/** Wire types of protobuf that are still in use. */
export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

/** A higher byte of a varint counts for 64 bits at most. */
const MAX_VARINT_BYTES = 10;
/** Texts up to this length are read one character at a time, if they are ASCII: faster than a decoder. */
const SHORT_TEXT = 64;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** An error about the bytes of a message. */
export function messageError(why: string): SconceError {
  return new SconceError('invalid_request', `the message is not valid protobuf: ${why}`, {
    details: { param: 'body' },
  });
}

/**
 * Reads the fields of a protobuf message, one after another, without copies. Every length is checked against the end of the message.
 * All methods throw 'invalid_request'.
 *
 * A field is read in two steps: `next` reads its number, and then `varint`, `bytes`, … or `skip` reads its value.
 */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #at: number;
  /** Wire type of the field that `next` found. */
  wire = VARINT;
  /** The upper 32 bits of the last varint, unsigned. */
  high = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = 0;
    this.#end = bytes.length;
  }

  /** Bytes that have been read. */
  get position(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** The number of the next field; 0 at the end of the message. */
  next(): number {
    if (this.#at >= this.#end) return 0;
    const tag = this.varint();
    const field = tag >>> 3;
    if (field === 0 || this.high !== 0) throw messageError(`the tag ${tag} at byte ${this.#at - 1} names no field`);
    this.wire = tag & 7;
    return field;
  }

  /** Throws if the field does not have this wire type. */
  expect(wire: number, name: string): void {
    if (this.wire !== wire) throw messageError(`field ${name} has wire type ${this.wire}; expected ${wire}`);
  }

  /** The lower 32 bits of a varint, unsigned. `high` has the upper bits. */
  varint(): number {
    const start = this.#at;
    let low = 0;
    let high = 0;
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      if (this.#at >= this.#end) throw messageError(`it ends inside the number at byte ${start}`);
      const byte = this.#bytes[this.#at++] ?? 0;
      const bits = byte & 0x7f;
      if (index < 4) low |= bits << (7 * index);
      else if (index === 4) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (7 * index - 32);
      if (byte < 0x80) {
        this.high = high >>> 0;
        return low >>> 0;
      }
    }
    throw messageError(`the number at byte ${start} has more than ${MAX_VARINT_BYTES} bytes`);
  }

  /** A varint of type int64 as a number. It is exact if it is a safe integer; other values are not safe integers either. */
  int64(): number {
    const low = this.varint();
    return (this.high | 0) * 2 ** 32 + low;
  }

  /** A varint of type uint64 as a number, as `int64`. */
  uint64(): number {
    const low = this.varint();
    return this.high * 2 ** 32 + low;
  }

  double(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  /** A view of the bytes of a length-delimited field. */
  bytes(): Uint8Array {
    const length = this.#length();
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** The bytes of a fixed field: 4 or 8. */
  fixed(size: 4 | 8): Uint8Array {
    const start = this.#take(size);
    return this.#bytes.subarray(start, start + size);
  }

  /** A text. Throws if it is not UTF-8. */
  text(name: string): string {
    this.expect(BYTES, name);
    const length = this.#length();
    const start = this.#take(length);
    const end = start + length;
    if (length <= SHORT_TEXT) {
      let text = '';
      let at = start;
      for (; at < end; at++) {
        const byte = this.#bytes[at] ?? 0;
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (at === end) return text;
    }
    try {
      return UTF8.decode(this.#bytes.subarray(start, end));
    } catch {
      throw messageError(`field ${name} is not UTF-8`);
    }
  }

  /** A reader of a message in this one. */
  message(name: string): WireReader {
    this.expect(BYTES, name);
    return new WireReader(this.bytes());
  }

  /** Skips the value of a field. */
  skip(): void {
    switch (this.wire) {
      case VARINT:
        this.varint();
        return;
      case FIXED64:
        this.#take(8);
        return;
      case BYTES:
        this.#take(this.#length());
        return;
      case FIXED32:
        this.#take(4);
        return;
      default:
        throw messageError(`wire type ${this.wire} is not in use (byte ${this.#at})`);
    }
  }

  #length(): number {
    const length = this.varint();
    if (this.high !== 0) throw messageError(`a length at byte ${this.#at} is over 4 GiB`);
    return length;
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) {
      throw messageError(`byte ${start} begins a value of ${length} bytes, and only ${this.#end - start} are left`);
    }
    this.#at = start + length;
    return start;
  }
}
