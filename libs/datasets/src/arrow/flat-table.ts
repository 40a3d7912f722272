/**
 * A table of a FlatBuffer that may be damaged. Each access outside the bytes throws RangeError, and a length is accepted only if there are
 * that many bytes. The reader of FlatBuffers, which apache-arrow uses, reads zeros beyond the end and may loop on them.
 */
export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #fields: number;
  readonly #fieldBytes: number;

  /** @param at offset of the table. */
  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    this.#fields = at - view.getInt32(at, true);
    this.#fieldBytes = view.getUint16(this.#fields, true);
  }

  /** The root table of a buffer. */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new FlatTable(view, view.getUint32(0, true));
  }

  /** An integer of `bits` bits. */
  integer(field: number, bits: 8 | 16 | 32 | 64, absent = 0): number {
    const at = this.#find(field);
    if (at === undefined) return absent;
    if (bits === 64) return wholeNumber(this.#view, at);
    if (bits === 32) return this.#view.getInt32(at, true);
    return bits === 16 ? this.#view.getInt16(at, true) : this.#view.getInt8(at);
  }

  boolean(field: number): boolean {
    return this.integer(field, 8) !== 0;
  }

  /** A table to which this one refers. */
  table(field: number): FlatTable | undefined {
    const at = this.#find(field);
    return at === undefined ? undefined : new FlatTable(this.#view, this.#follow(at));
  }

  /** The tables of a vector. */
  tables(field: number): FlatTable[] {
    const { start, length } = this.#vector(field, 4);
    return Array.from({ length }, (_, index) => new FlatTable(this.#view, this.#follow(start + index * 4)));
  }

  text(field: number): string {
    const { start, length } = this.#vector(field, 1);
    return Buffer.from(this.#view.buffer, this.#view.byteOffset + start, length).toString('utf8');
  }

  /** The structs of a vector. `read` gets a function that reads a 64-bit integer at a byte of the struct. */
  structs<Struct>(
    field: number,
    bytes: number,
    read: (int64: (at: number) => number, int32: (at: number) => number) => Struct,
  ): Struct[] {
    const { start, length } = this.#vector(field, bytes);
    return Array.from({ length }, (_, index) => {
      const from = start + index * bytes;
      return read(
        (at) => wholeNumber(this.#view, from + at),
        (at) => this.#view.getInt32(from + at, true),
      );
    });
  }

  #find(field: number): number | undefined {
    const at = 4 + field * 2;
    if (at + 2 > this.#fieldBytes) return undefined;
    const offset = this.#view.getUint16(this.#fields + at, true);
    return offset === 0 ? undefined : this.#at + offset;
  }

  #follow(at: number): number {
    return at + this.#view.getUint32(at, true);
  }

  #vector(field: number, bytes: number): { start: number; length: number } {
    const at = this.#find(field);
    if (at === undefined) return { start: 0, length: 0 };
    const vector = this.#follow(at);
    const length = this.#view.getUint32(vector, true);
    const start = vector + 4;
    if (length * bytes > this.#view.byteLength - start) throw new RangeError(`a vector should have ${length} elements`);
    return { start, length };
  }
}

/** A 64-bit count. A count that is not a safe integer cannot be right. */
function wholeNumber(view: DataView, at: number): number {
  const value = Number(view.getBigInt64(at, true));
  if (!Number.isSafeInteger(value)) throw new RangeError(`a count is ${value}`);
  return value;
}
