/** Writes numbers and short texts into bytes that grow. All numbers are little-endian. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(512);
  #length = 0;

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
  }

  /** A 64-bit float: also for whole numbers up to 2^53. */
  f64(value: number): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  /** Length in bytes (u32), then UTF-8. */
  text(value: string): void {
    // A character takes at most three bytes of UTF-8 per unit of a JavaScript string.
    this.#reserve(4 + 3 * value.length);
    const bytes = this.#buffer.write(value, this.#length + 4);
    this.#buffer.writeUInt32LE(bytes, this.#length);
    this.#length += 4 + bytes;
  }

  /** The bytes so far. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#length + bytes));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Reads what `ByteWriter` wrote. @throws RangeError when the bytes end too early. */
export class ByteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#buffer = bytes;
  }

  u8(): number {
    const value = this.#buffer.readUInt8(this.#at);
    this.#at += 1;
    return value;
  }

  u32(): number {
    const value = this.#buffer.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  f64(): number {
    const value = this.#buffer.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  text(): string {
    const end = this.u32() + this.#at;
    if (end > this.#buffer.length) throw new RangeError('the text goes beyond the end of the bytes');
    const value = this.#buffer.toString('utf8', this.#at, end);
    this.#at = end;
    return value;
  }

  /** A view of the next bytes. */
  bytes(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#buffer.length) throw new RangeError('the tensor goes beyond the end of the bytes');
    const view = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return view;
  }
}
