import { modelError } from '../torchscript-error.ts';
import { huffmanTable, type HuffmanTable } from './huffman.ts';

/** Deflate cannot do better: 258 bytes for two bits. */
const MAX_RATIO = 1032;

/**
 * Inflates raw deflate data (RFC 1951) to exactly `length` bytes.
 *
 * Written here because an archive has hundreds of small records: the platform's decompression stream takes longer to set
 * up than such a record takes to inflate, and is asynchronous, where records of origins are inflated only when asked for.
 *
 * @throws SconceError `model_invalid` where the data is corrupt or gives another length; `name` is for the message.
 */
export function inflate(data: Uint8Array, length: number, name: string): Uint8Array {
  if (length > data.length * MAX_RATIO) throw corrupt(name, 'it cannot have as many bytes as the directory says');
  return new Inflater(data, length, name).run();
}

function corrupt(name: string, what: string): Error {
  const message = `record ${name}: its compressed data is corrupt (${what}); copy the file again, or save the model again`;
  return modelError('archive', message, { record: name });
}

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_CODES = 30;
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

let fixedTables: readonly [HuffmanTable | undefined, HuffmanTable | undefined] | undefined;

class Inflater {
  readonly #data: Uint8Array;
  readonly #name: string;
  readonly #out: Uint8Array;
  #filled = 0;
  #at = 0;
  /** Bits that were taken from `data` and not used, the next one lowest. */
  #bits = 0;
  #bitCount = 0;

  constructor(data: Uint8Array, length: number, name: string) {
    this.#data = data;
    this.#name = name;
    this.#out = new Uint8Array(length);
  }

  run(): Uint8Array {
    let last = false;
    while (!last) {
      last = this.#take(1) === 1;
      const type = this.#take(2);
      if (type === 0) this.#copyStored();
      else if (type === 1) this.#inflateBlock(...this.#fixed());
      else if (type === 2) this.#inflateBlock(...this.#readTables());
      else throw corrupt(this.#name, 'a block of no known kind');
    }
    if (this.#filled !== this.#out.length) throw corrupt(this.#name, 'it has fewer bytes than the directory says');
    if (this.#at - (this.#bitCount >> 3) !== this.#data.length) throw corrupt(this.#name, 'bytes are left over');
    return this.#out;
  }

  /** Has at least `count` (up to 15) bits in store, zeros behind the end of the data. */
  #fill(count: number): void {
    while (this.#bitCount < count) {
      this.#bits |= (this.#data[this.#at++] ?? 0) << this.#bitCount;
      this.#bitCount += 8;
    }
  }

  #drop(count: number): void {
    this.#bits >>>= count;
    this.#bitCount -= count;
    if (this.#at - (this.#bitCount >> 3) > this.#data.length) throw corrupt(this.#name, 'it is cut off');
  }

  #take(count: number): number {
    this.#fill(count);
    const value = this.#bits & ((1 << count) - 1);
    this.#drop(count);
    return value;
  }

  #symbol({ bits, entries }: HuffmanTable): number {
    this.#fill(bits);
    const entry = entries[this.#bits & ((1 << bits) - 1)] as number;
    if (entry === 0) throw corrupt(this.#name, 'a code that is not in use');
    this.#drop(entry & 15);
    return entry >> 4;
  }

  #copyStored(): void {
    this.#take(this.#bitCount & 7);
    const length = this.#take(8) | (this.#take(8) << 8);
    const complement = this.#take(8) | (this.#take(8) << 8);
    const start = this.#at - (this.#bitCount >> 3);
    if (length !== (~complement & 0xffff)) throw corrupt(this.#name, 'a stored block of two lengths');
    if (start + length > this.#data.length) throw corrupt(this.#name, 'it is cut off');
    if (this.#filled + length > this.#out.length) throw this.#tooLong();
    this.#out.set(this.#data.subarray(start, start + length), this.#filled);
    this.#filled += length;
    this.#at = start + length;
    this.#bits = 0;
    this.#bitCount = 0;
  }

  #inflateBlock(literals: HuffmanTable, distances: HuffmanTable): void {
    for (;;) {
      const symbol = this.#symbol(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        if (this.#filled === this.#out.length) throw this.#tooLong();
        this.#out[this.#filled++] = symbol;
      } else {
        this.#copyMatch(symbol - 257, distances);
      }
    }
  }

  #copyMatch(lengthCode: number, distances: HuffmanTable): void {
    const base = LENGTH_BASE[lengthCode];
    if (base === undefined) throw corrupt(this.#name, 'a length that is not in use');
    const length = base + this.#take(LENGTH_EXTRA[lengthCode] as number);
    const code = this.#symbol(distances);
    if (code >= DISTANCE_CODES) throw corrupt(this.#name, 'a distance that is not in use');
    const extra = code < 4 ? 0 : (code >> 1) - 1;
    const distance = code < 4 ? code + 1 : ((2 + (code & 1)) << extra) + 1 + this.#take(extra);
    if (distance > this.#filled) throw corrupt(this.#name, 'a distance before the begin');
    if (this.#filled + length > this.#out.length) throw this.#tooLong();
    const out = this.#out;
    const end = this.#filled + length;
    for (let to = this.#filled; to < end; to++) out[to] = out[to - distance] as number;
    this.#filled = end;
  }

  #tooLong(): Error {
    return corrupt(this.#name, 'it has more bytes than the directory says');
  }

  #table(lengths: Uint8Array): HuffmanTable {
    const table = huffmanTable(lengths);
    if (table === undefined) throw corrupt(this.#name, 'a code that is none');
    return table;
  }

  #fixed(): [HuffmanTable, HuffmanTable] {
    fixedTables ??= [
      huffmanTable(new Uint8Array(288).fill(8).fill(9, 144, 256).fill(7, 256, 280)),
      huffmanTable(new Uint8Array(32).fill(5)),
    ];
    return fixedTables as [HuffmanTable, HuffmanTable];
  }

  #readTables(): [HuffmanTable, HuffmanTable] {
    const literalCount = this.#take(5) + 257;
    const distanceCount = this.#take(5) + 1;
    const codeLengthCount = this.#take(4) + 4;
    const codeLengths = new Uint8Array(19);
    for (let i = 0; i < codeLengthCount; i++) codeLengths[CODE_LENGTH_ORDER[i] as number] = this.#take(3);
    const lengths = this.#readLengths(this.#table(codeLengths), literalCount + distanceCount);
    return [this.#table(lengths.subarray(0, literalCount)), this.#table(lengths.subarray(literalCount))];
  }

  #readLengths(table: HuffmanTable, count: number): Uint8Array {
    const lengths = new Uint8Array(count);
    for (let i = 0; i < count;) {
      const symbol = this.#symbol(table);
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) throw corrupt(this.#name, 'a repeated length with none before');
      const value = symbol === 16 ? (lengths[i - 1] as number) : 0;
      const repeat = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7);
      if (i + repeat > count) throw corrupt(this.#name, 'more lengths than codes');
      lengths.fill(value, i, i + repeat);
      i += repeat;
    }
    return lengths;
  }
}
