const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const NEWLINE = 10;
const SPACE = 32;

/** How JSON that does not have one object per line is laid out: one array of rows, or rows that have several lines each. */
export type JsonLayout = 'array' | 'values';

/** The layout of a file that begins with `head`; undefined if it has one value per line. */
export function jsonLayoutOf(head: Uint8Array): JsonLayout | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '');
  if (/^\s*\[/.test(text)) return 'array';
  return /^\s*\{[ \t]*\r?\n/.test(text) ? 'values' : undefined;
}

/**
 * Writes each row of a JSON array, or each of several values, as one line. Newlines between tokens become spaces. It checks nothing: what is
 * not JSON becomes a line that the reader refuses as a bad row.
 */
export async function* oneValuePerLine(
  chunks: AsyncIterable<Uint8Array>,
  layout: JsonLayout,
): AsyncGenerator<Uint8Array, void, undefined> {
  const splitter = new ValueSplitter(layout);
  for await (const chunk of chunks) yield splitter.lines(chunk);
}

class ValueSplitter {
  /** Depth at which rows are separated: 1 within the array. */
  readonly #base: number;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Whether the array has ended. Anything after it is a row, which is bad. */
  #ended = false;

  constructor(layout: JsonLayout) {
    this.#base = layout === 'array' ? 1 : 0;
  }

  /** The chunk with newlines only between rows. At most twice as long: a row of `{}` and its newline. */
  lines(chunk: Uint8Array): Uint8Array {
    const out = Buffer.allocUnsafe(chunk.byteLength * 2);
    let length = 0;
    for (const byte of chunk) {
      const written = this.#next(byte);
      out[length++] = written;
      if (written === CLOSE_OBJECT && !this.#inString && this.#base === 0 && this.#depth === 0) out[length++] = NEWLINE;
    }
    return out.subarray(0, length);
  }

  #next(byte: number): number {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      // JSON strings have no newlines: a string without its end is a bad row, and the next line begins anew.
      if (byte !== NEWLINE) return byte;
      this.#inString = false;
      this.#depth = this.#base;
      return NEWLINE;
    }
    switch (byte) {
      case QUOTE:
        this.#inString = true;
        return byte;
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        this.#depth += 1;
        return this.#depth === 1 && this.#base === 1 && !this.#ended ? SPACE : byte;
      case CLOSE_OBJECT:
        // It does not end the array, not even after a broken row.
        this.#depth = Math.max(this.#ended ? 0 : this.#base, this.#depth - 1);
        return byte;
      case CLOSE_ARRAY:
        this.#depth = Math.max(0, this.#depth - 1);
        if (this.#depth > 0 || this.#base === 0 || this.#ended) return byte;
        this.#ended = true;
        return NEWLINE;
      case COMMA:
        return this.#depth === this.#base && this.#base === 1 ? NEWLINE : byte;
      case NEWLINE:
        return SPACE;
      default:
        return byte;
    }
  }
}
