import { PageProblem } from './page-header.ts';

/** Bytes in Parquet's mix of runs and bit-packed groups. */
export interface HybridSpan {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Bits of a value, 0 to 32. */
  readonly width: number;
}

/** Bits per level for levels up to `max`. */
export function levelWidth(max: number): number {
  return 32 - Math.clz32(max);
}

/** The value of all `count` values if a single run has it. */
export function uniformValue(span: HybridSpan, count: number): number | undefined {
  if (span.width === 0) return 0;
  const reader = new HybridReader(span);
  const header = reader.varint();
  return header % 2 === 0 && header / 2 >= count ? reader.runValue() : undefined;
}

/**
 * Fills `out` with the values of the bytes. A run stops at the end of `out`. @throws PageProblem if the bytes end before `out` is full.
 */
export function readHybrid<Out extends Uint8Array | Uint16Array | Uint32Array>(span: HybridSpan, out: Out): Out {
  if (span.width === 0) return out;
  const reader = new HybridReader(span);
  for (let at = 0; at < out.length;) {
    const header = reader.varint();
    const length = Math.floor(header / 2);
    if (header % 2 === 0) {
      const end = Math.min(out.length, at + length);
      out.fill(reader.runValue(), at, end);
      at = end;
    } else if (length > 0) {
      const end = Math.min(out.length, at + length * 8);
      reader.packed(out, at, end);
      reader.align(length, end - at);
      at = end;
    }
  }
  return out;
}

class HybridReader {
  readonly #span: HybridSpan;
  #at: number;

  constructor(span: HybridSpan) {
    this.#span = span;
    this.#at = span.start;
  }

  varint(): number {
    let value = 0;
    for (let shift = 1; shift < 2 ** 35; shift *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
    throw new PageProblem('the length of a run is too long');
  }

  runValue(): number {
    let value = 0;
    for (let index = 0; index < (this.#span.width + 7) >> 3; index++) value += this.#byte() * 256 ** index;
    return value;
  }

  packed(out: Uint8Array | Uint16Array | Uint32Array, from: number, to: number): void {
    const { bytes, end, width } = this.#span;
    if (Math.ceil(((to - from) * width) / 8) > end - this.#at) throw cutOff();
    let at = this.#at;
    if (width <= 24) {
      const mask = (1 << width) - 1;
      let held = 0;
      let bits = 0;
      for (let index = from; index < to; index++) {
        while (bits < width) {
          held |= (bytes[at] ?? 0) << bits;
          at += 1;
          bits += 8;
        }
        out[index] = held & mask;
        held >>>= width;
        bits -= width;
      }
      return;
    }
    // The value and a partly read byte do not fit into 32 bits.
    const modulus = 2 ** width;
    let held = 0;
    let bits = 0;
    for (let index = from; index < to; index++) {
      while (bits < width) {
        held += (bytes[at] ?? 0) * 2 ** bits;
        at += 1;
        bits += 8;
      }
      out[index] = held % modulus;
      held = Math.floor(held / modulus);
      bits -= width;
    }
  }

  /** Skips `groups` groups of 8 values, of which `read` values were read. */
  align(groups: number, read: number): void {
    // The last group may be incomplete if nothing follows.
    this.#at = read < groups * 8 ? this.#span.end : this.#at + groups * this.#span.width;
  }

  #byte(): number {
    const byte = this.#at < this.#span.end ? this.#span.bytes[this.#at] : undefined;
    if (byte === undefined) throw cutOff();
    this.#at += 1;
    return byte;
  }
}

function cutOff(): PageProblem {
  return new PageProblem('a page ends before its values do');
}
