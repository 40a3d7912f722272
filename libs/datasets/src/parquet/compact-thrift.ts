/** A value of a Thrift struct in the compact protocol. Integers of 64 bits are numbers if they are safe integers. */
export type ThriftValue = number | boolean | Uint8Array | readonly ThriftValue[] | ThriftStruct;

/** Fields by their id. */
export type ThriftStruct = ReadonlyMap<number, ThriftValue>;

const MAX_DEPTH = 24;
const MAX_VARINT_BYTES = 10;

const TYPE = { stop: 0, true: 1, false: 2, byte: 3, i16: 4, i32: 5, i64: 6, double: 7, binary: 8, list: 9, set: 10 };
const STRUCT = 12;

/**
 * Reads Thrift's compact protocol from bytes that may be damaged. Allocations and loops are bounded by the number of bytes. Every method
 * throws RangeError if the bytes end early, and Error if they are not valid.
 */
export class ThriftReader {
  /** Offset of the next byte. */
  offset: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.offset = offset;
  }

  /** Reads a whole struct. */
  struct(depth = 0): ThriftStruct {
    const fields = new Map<number, ThriftValue>();
    this.#fields(depth, (id, type) => fields.set(id, this.#value(type, depth)));
    return fields;
  }

  /** Skips a struct. Returns the ids of its fields that are structs. */
  check(depth = 0): ReadonlySet<number> {
    const structs = new Set<number>();
    this.#fields(depth, (id, type) => {
      if (type === STRUCT) structs.add(id);
      this.#skip(type, depth);
    });
    return structs;
  }

  #fields(depth: number, field: (id: number, type: number) => void): void {
    if (depth > MAX_DEPTH) throw new Error('structs are nested too deeply');
    for (let id = 0; ;) {
      const head = this.#byte();
      const type = head & 15;
      if (type === TYPE.stop) return;
      id = head >> 4 === 0 ? this.#integer() : id + (head >> 4);
      field(id, type);
    }
  }

  #value(type: number, depth: number): ThriftValue {
    switch (type) {
      case TYPE.true:
        return true;
      case TYPE.false:
        return false;
      case TYPE.byte:
        return (this.#byte() << 24) >> 24;
      case TYPE.i16:
      case TYPE.i32:
      case TYPE.i64:
        return this.#integer();
      case TYPE.double:
        this.#pass(8);
        return NaN;
      case TYPE.binary:
        return this.#pass(this.#varint());
      case TYPE.list:
      case TYPE.set: {
        const values: ThriftValue[] = [];
        this.#elements((element) => values.push(this.#value(element, depth + 1)));
        return values;
      }
      case STRUCT:
        return this.struct(depth + 1);
      default:
        throw new Error(`a field is of the unknown type ${type}`);
    }
  }

  #skip(type: number, depth: number): void {
    if (type === STRUCT) this.check(depth + 1);
    else if (type === TYPE.list || type === TYPE.set) this.#elements((element) => this.#skip(element, depth + 1));
    else this.#value(type, depth);
  }

  #elements(each: (type: number) => void): void {
    const head = this.#byte();
    const type = head & 15;
    const size = head >> 4 === 15 ? this.#varint() : head >> 4;
    if (size > this.#bytes.length - this.offset) throw new RangeError(`a list should have ${size} elements`);
    // In lists each boolean is one byte.
    const own = type === TYPE.true || type === TYPE.false ? TYPE.byte : type;
    for (let index = 0; index < size; index++) each(own);
  }

  #byte(): number {
    const byte = this.#bytes[this.offset];
    if (byte === undefined) throw new RangeError('a struct is cut off');
    this.offset += 1;
    return byte;
  }

  #pass(length: number): Uint8Array {
    if (length > this.#bytes.length - this.offset) throw new RangeError(`a field should have ${length} bytes`);
    this.offset += length;
    return this.#bytes.subarray(this.offset - length, this.offset);
  }

  #varint(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < MAX_VARINT_BYTES; count++) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    throw new Error('a number is too long');
  }

  #integer(): number {
    const folded = this.#varint();
    return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
  }
}
