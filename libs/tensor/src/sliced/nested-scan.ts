import { formatShape } from '../datatype.ts';
import { tensorError } from '../tensor-error.ts';
import type { DataSink } from './data-sink.ts';
import { STEP_BYTES } from './steps.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const SPACE = 0x20;

/** Kinds of bytes outside strings. Each other byte belongs to a number or a word, or JSON.parse refuses it. */
const KINDS = { scalar: 0, space: 1, comma: 2, quote: 3, open: 4, close: 5, object: 6 } as const;
const KIND_OF_BYTE = new Uint8Array(256);
for (const space of ' \t\n\r') KIND_OF_BYTE[space.charCodeAt(0)] = KINDS.space;
KIND_OF_BYTE[COMMA] = KINDS.comma;
KIND_OF_BYTE[QUOTE] = KINDS.quote;
KIND_OF_BYTE[0x5b] = KINDS.open;
KIND_OF_BYTE[0x5d] = KINDS.close;
KIND_OF_BYTE[0x7b] = KINDS.object;

/** A longer stretch of data without a comma is refused, apart from strings: no number is so long. */
export const MAX_STRETCH_BYTES = 2 * STEP_BYTES;

/** Where a scan stopped: elements that commas separate (empty: there are none) and where they begin, or the position of a syntax error. */
export type Stop =
  | { readonly text: string; readonly from: number; readonly at: 'comma' | 'long string' | 'end' }
  | { readonly position: number };

/** The error for data without a comma. */
export function tooLong(name: string, elements: number): Error {
  const bytes = MAX_STRETCH_BYTES;
  return tensorError(name, `data has ${bytes} bytes without a comma after element ${elements}; no element is so long`);
}

/**
 * Walks over the text of nested data, about 64 KiB at a time. The brackets of inner arrays become spaces, so that elements that commas
 * separate are left. Checks on the way that the arrays are as the shape says, and that a comma is between any two values.
 */
export class NestedScan {
  /** The next byte that is read. */
  at: number;
  readonly #bytes: Buffer;
  readonly #end: number;
  /** [-1] for elements that are not nested. */
  readonly #shape: readonly number[];
  readonly #name: string;
  readonly #sink: DataSink;
  /** Commas of the open arrays, by depth. */
  readonly #commas: number[] = [];
  /** Whether a value has come since the last comma or the beginning of the array. */
  #hasValue = false;
  readonly #piece = Buffer.allocUnsafe(MAX_STRETCH_BYTES);
  /** Where in the piece a comma goes when another element follows; -1 for nowhere. */
  #commaAt = -1;
  /** Whether the piece has no element. */
  #isEmpty = true;

  constructor(
    bytes: Buffer,
    options: {
      readonly from: number;
      readonly to: number;
      readonly shape: readonly number[];
      readonly name: string;
      readonly sink: DataSink;
    },
  ) {
    this.#bytes = bytes;
    this.at = options.from;
    this.#end = options.to;
    this.#shape = options.shape;
    this.#name = options.name;
    this.#sink = options.sink;
  }

  /** Goes on to the first comma after 64 KiB, to a string that is longer than that, or to the end. */
  next(): Stop {
    const bytes = this.#bytes;
    const piece = this.#piece;
    const from = this.at;
    let isInScalar = false;
    this.#commaAt = -1;
    this.#isEmpty = true;
    for (let at = from; at < this.#end; at++) {
      if (at - from === MAX_STRETCH_BYTES) throw tooLong(this.#name, this.#sink.length);
      const byte = bytes[at] ?? 0;
      const kind = KIND_OF_BYTE[byte];
      if (kind === KINDS.scalar) {
        if (!isInScalar) {
          if (this.#hasValue) return { position: at };
          this.#beginElement();
          isInScalar = true;
        }
        piece[at - from] = byte;
        continue;
      }
      isInScalar = false;
      piece[at - from] = SPACE;
      if (kind === KINDS.space) continue;
      if (kind === KINDS.comma || kind === KINDS.close) {
        const isFirst = (this.#commas.at(-1) ?? 0) === 0;
        if (!this.#hasValue && (kind === KINDS.comma || !isFirst)) return { position: at };
        if (kind === KINDS.close) this.#close();
        else if (this.#comma(at - from)) return this.#stop('comma', { from, to: at, next: at + 1 });
        continue;
      }
      if (this.#hasValue) return { position: at };
      if (kind === KINDS.object) throw this.#notAnElement('an object');
      if (kind === KINDS.open) {
        this.#open();
        continue;
      }
      const end = this.#endOfShortString(at);
      if (end < 0) {
        this.#beginString();
        return this.#stop('long string', { from, to: at, next: at });
      }
      if (end + 1 - from > MAX_STRETCH_BYTES) throw tooLong(this.#name, this.#sink.length);
      this.#beginElement();
      bytes.copy(piece, at - from, at, end + 1);
      at = end;
    }
    return this.#stop('end', { from, to: this.#end, next: this.#end });
  }

  /** Goes on behind a string that the caller has read. */
  skip(to: number): void {
    this.at = to;
  }

  #stop(
    at: 'comma' | 'long string' | 'end',
    { from, to, next }: { readonly from: number; readonly to: number; readonly next: number },
  ): Stop {
    this.at = next;
    return { text: this.#isEmpty ? '' : this.#piece.toString('utf8', 0, to - from), from, at };
  }

  /** Whether the piece is long enough to be parsed. Else the comma is put into it as soon as another element follows. */
  #comma(length: number): boolean {
    this.#hasValue = false;
    this.#commas[this.#commas.length - 1] = (this.#commas.at(-1) ?? 0) + 1;
    if (!this.#isEmpty) this.#commaAt = length;
    return length >= STEP_BYTES;
  }

  #beginElement(): void {
    this.#beginString();
    if (this.#commaAt >= 0) this.#piece[this.#commaAt] = COMMA;
    this.#commaAt = -1;
    this.#isEmpty = false;
  }

  #beginString(): void {
    if (this.#commas.length < this.#shape.length) throw this.#notAnArray();
    this.#hasValue = true;
  }

  /** The position of the quote that ends the string that begins at `from`; -1 if it has more than 64 KiB. */
  #endOfShortString(from: number): number {
    const bytes = this.#bytes;
    const most = Math.min(this.#end, from + STEP_BYTES);
    for (let at = from + 1; at < most; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) return at;
      if (byte === BACKSLASH) at += 1;
    }
    return -1;
  }

  #open(): void {
    if (this.#commas.length === this.#shape.length) throw this.#notAnElement('an array');
    this.#commas.push(0);
  }

  #close(): void {
    const members = (this.#commas.pop() ?? 0) + (this.#hasValue ? 1 : 0);
    const expected = this.#shape[this.#commas.length] ?? -1;
    if (expected !== -1 && members !== expected) {
      throw this.#wrongArray(`an array of ${members} ${members === 1 ? 'element' : 'elements'}`);
    }
    this.#hasValue = true;
  }

  #notAnArray(): Error {
    return this.#wrongArray('no array');
  }

  #wrongArray(what: string): Error {
    const expected = this.#shape[this.#commas.length] ?? 0;
    const path = this.#commas.map((index) => `[${index}]`).join('');
    return tensorError(
      this.#name,
      `data${path} is ${what}; expected an array of ${expected} for shape ${formatShape(this.#shape)}`,
    );
  }

  #notAnElement(what: string): Error {
    const path = this.#commas.map((index) => `[${index}]`).join('');
    return tensorError(this.#name, `data${path} is ${what}; expected an element`);
  }
}
