/** An error that Redis answered: its text begins with a code such as `NOGROUP` or `READONLY`. */
export class RespError extends Error {
  override readonly name = 'RespError';

  /** The first word of the text. */
  get code(): string {
    return this.message.split(' ', 1)[0] ?? '';
  }
}

/** A reply of Redis: bulk strings are bytes, simple strings are text, null is a missing value. */
export type RespReply = Buffer | string | number | null | RespError | RespReply[];

const [CR, LF, PLUS, MINUS, COLON, DOLLAR, STAR] = [0x0d, 0x0a, 0x2b, 0x2d, 0x3a, 0x24, 0x2a];
/** Types that only RESP3 has: null, map, and a message that no command asked for. */
const [NULL, MAP, PUSH] = [0x5f, 0x25, 0x3e];
/** CR and LF behind a bulk string. */
const LINE_END_BYTES = 2;

/** A rest of a bulk string of this size is read without a copy. */
const LARGE_BYTES = 16 * 1024;

/** An array whose items have not all arrived. */
interface OpenArray {
  readonly items: RespReply[];
  next: number;
  readonly isPush: boolean;
}

/**
 * Reads replies from chunks of a connection: RESP2, and of RESP3 nulls, maps (as lists of keys and values) and pushed messages.
 *
 * It keeps no view of a chunk, so the memory of a chunk can be used again after `push`. A bulk string is copied once, into memory of
 * its own, however many chunks it spans.
 */
export class RespParser {
  readonly #onReply: (reply: RespReply) => void;
  readonly #onPush: (message: RespReply) => void;
  /** The arrays around the next value, outermost first. */
  readonly #arrays: OpenArray[] = [];
  /** The beginning of a line whose end has not arrived. */
  #line: Buffer | undefined;
  /** A bulk string that has not arrived completely, and the number of its bytes that have. */
  #bulk: Buffer | undefined;
  #filled = 0;
  /** Bytes of the line end behind a bulk string that are still to come. */
  #lineEnd = 0;

  constructor(onReply: (reply: RespReply) => void, onPush: (message: RespReply) => void = () => undefined) {
    this.#onReply = onReply;
    this.#onPush = onPush;
  }

  /** Where the next bytes belong, if a large part of a bulk string is still to come. They may be read there; then call `filled`. */
  get room(): Buffer | undefined {
    const bulk = this.#bulk;
    return bulk !== undefined && bulk.length - this.#filled >= LARGE_BYTES ? bulk.subarray(this.#filled) : undefined;
  }

  /** So many bytes were written to `room`. */
  filled(bytes: number): void {
    this.#filled += bytes;
    const bulk = this.#bulk;
    if (bulk === undefined || this.#filled < bulk.length) return;
    this.#bulk = undefined;
    this.#add(bulk);
  }

  /** Takes the next bytes; every reply that they complete is handed on in order. @throws Error for bytes that are no reply. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#bulk !== undefined) {
        at = this.#fill(this.#bulk, chunk, at);
      } else if (this.#lineEnd > 0) {
        const skipped = Math.min(this.#lineEnd, chunk.length - at);
        this.#lineEnd -= skipped;
        at += skipped;
      } else {
        at = this.#readLine(chunk, at);
      }
    }
  }

  /** Copies the next bytes of a bulk string. Returns the position behind them. */
  #fill(bulk: Buffer, chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + bulk.length - this.#filled);
    this.#filled += chunk.copy(bulk, this.#filled, at, end);
    if (this.#filled === bulk.length) {
      this.#bulk = undefined;
      this.#add(bulk);
    }
    return end;
  }

  /** Reads one line, or keeps its beginning. Returns the position behind it. */
  #readLine(chunk: Buffer, at: number): number {
    const end = chunk.indexOf(LF, at);
    if (end < 0) {
      const rest = chunk.subarray(at);
      this.#line = this.#line === undefined ? Buffer.from(rest) : Buffer.concat([this.#line, rest]);
      return chunk.length;
    }
    if (this.#line === undefined) this.#begin(chunk, at, end);
    else {
      const line = Buffer.concat([this.#line, chunk.subarray(at, end + 1)]);
      this.#line = undefined;
      this.#begin(line, 0, line.length - 1);
    }
    return end + 1;
  }

  /** A line that begins at `from` and whose LF is at `end`: a whole value, or the length of one. */
  #begin(buffer: Buffer, from: number, end: number): void {
    const type = buffer[from];
    const to = end - 1;
    if (buffer[to] !== CR) throw new Error('Redis sent a line that does not end with CR and LF');
    switch (type) {
      case DOLLAR:
        this.#beginBulk(readInteger(buffer, from + 1, to));
        return;
      case STAR:
      case PUSH:
        this.#beginArray(readInteger(buffer, from + 1, to), type === PUSH);
        return;
      case MAP:
        this.#beginArray(2 * readInteger(buffer, from + 1, to), false);
        return;
      case COLON:
        this.#add(readInteger(buffer, from + 1, to));
        return;
      case PLUS:
        this.#add(buffer.toString('latin1', from + 1, to));
        return;
      case MINUS:
        this.#add(new RespError(buffer.toString('utf8', from + 1, to)));
        return;
      case NULL:
        this.#add(null);
        return;
      default:
        throw new Error(`Redis sent a reply of the unknown type 0x${(type ?? 0).toString(16)}`);
    }
  }

  #beginBulk(length: number): void {
    if (length < 0) {
      this.#add(null);
      return;
    }
    this.#lineEnd = LINE_END_BYTES;
    const bulk = Buffer.allocUnsafe(length);
    if (length === 0) {
      this.#add(bulk);
      return;
    }
    this.#bulk = bulk;
    this.#filled = 0;
  }

  #beginArray(length: number, isPush: boolean): void {
    if (length < 0) this.#add(null);
    else if (length === 0) this.#add([]);
    else this.#arrays.push({ items: new Array<RespReply>(length), next: 0, isPush });
  }

  /** A value is complete: an item of the innermost array, or a reply. */
  #add(complete: RespReply): void {
    let value = complete;
    let isPush = false;
    for (let array = this.#arrays.at(-1); array !== undefined; array = this.#arrays.at(-1)) {
      array.items[array.next++] = value;
      if (array.next < array.items.length) return;
      this.#arrays.pop();
      ({ items: value, isPush } = array);
    }
    if (isPush) this.#onPush(value);
    else this.#onReply(value);
  }
}

function readInteger(buffer: Buffer, from: number, end: number): number {
  const negative = buffer[from] === MINUS;
  let value = 0;
  for (let at = negative ? from + 1 : from; at < end; at++) value = value * 10 + ((buffer[at] ?? 0) - 0x30);
  return negative ? -value : value;
}
