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

const [CR, PLUS, MINUS, COLON, DOLLAR, STAR] = [0x0d, 0x2b, 0x2d, 0x3a, 0x24, 0x2a];
/** Types that only RESP3 has: null, map, and a message that no command asked for. */
const [NULL, MAP, PUSH] = [0x5f, 0x25, 0x3e];

/** The bytes of a reply have not all arrived. */
const INCOMPLETE = Symbol('incomplete');

/**
 * Reads replies from chunks of a connection: RESP2, and of RESP3 nulls, maps (as lists of keys and values) and pushed messages.
 *
 * Bulk strings are views of the received bytes and are not copied, except when a reply spans chunks: then its bytes are joined once.
 */
export class RespParser {
  readonly #onReply: (reply: RespReply) => void;
  readonly #onPush: (message: RespReply) => void;
  /** Chunks of a reply that is not complete, and their length. */
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Parsing makes no sense before so many bytes have arrived. */
  #needed = 0;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(onReply: (reply: RespReply) => void, onPush: (message: RespReply) => void = () => undefined) {
    this.#onReply = onReply;
    this.#onPush = onPush;
  }

  /** Takes the next bytes; every reply that they complete is handed on in order. @throws Error for bytes that are no reply. */
  push(chunk: Buffer): void {
    if (this.#bytes > 0) {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      if (this.#bytes < this.#needed) return;
      this.#buffer = Buffer.concat(this.#chunks, this.#bytes);
      this.#chunks = [];
      this.#bytes = 0;
    } else this.#buffer = chunk;
    let start = 0;
    this.#at = 0;
    while (start < this.#buffer.length) {
      const isPush = this.#buffer[start] === PUSH;
      const reply = this.#read();
      if (reply === INCOMPLETE) {
        this.#keep(start);
        return;
      }
      start = this.#at;
      if (isPush) this.#onPush(reply);
      else this.#onReply(reply);
    }
  }

  /** Forgets the bytes of an incomplete reply: the connection has ended. */
  reset(): void {
    this.#chunks = [];
    this.#bytes = 0;
    this.#needed = 0;
  }

  #keep(start: number): void {
    const rest = this.#buffer.subarray(start);
    this.#chunks = [rest];
    this.#bytes = rest.length;
    this.#needed = Math.max(this.#needed - start, rest.length + 1);
  }

  #read(): RespReply | typeof INCOMPLETE {
    const buffer = this.#buffer;
    const type = buffer[this.#at];
    const end = buffer.indexOf(CR, this.#at + 1);
    if (end < 0 || end + 1 >= buffer.length) {
      this.#needed = 0;
      return INCOMPLETE;
    }
    const from = this.#at + 1;
    this.#at = end + 2;
    switch (type) {
      case DOLLAR:
        return this.#readBulk(readInteger(buffer, from, end));
      case MAP:
        return this.#readArray(2 * readInteger(buffer, from, end));
      case NULL:
        return null;
      case STAR:
      case PUSH:
        return this.#readArray(readInteger(buffer, from, end));
      case COLON:
        return readInteger(buffer, from, end);
      case PLUS:
        return buffer.toString('latin1', from, end);
      case MINUS:
        return new RespError(buffer.toString('utf8', from, end));
      default:
        throw new Error(`Redis sent a reply of the unknown type 0x${(type ?? 0).toString(16)}`);
    }
  }

  #readBulk(length: number): Buffer | null | typeof INCOMPLETE {
    if (length < 0) return null;
    const from = this.#at;
    const end = from + length;
    if (end + 2 > this.#buffer.length) {
      this.#needed = end + 2;
      return INCOMPLETE;
    }
    this.#at = end + 2;
    return this.#buffer.subarray(from, end);
  }

  #readArray(length: number): RespReply[] | null | typeof INCOMPLETE {
    if (length < 0) return null;
    const items = new Array<RespReply>(length);
    for (let index = 0; index < length; index++) {
      if (this.#at >= this.#buffer.length) {
        this.#needed = 0;
        return INCOMPLETE;
      }
      const item = this.#read();
      if (item === INCOMPLETE) return INCOMPLETE;
      items[index] = item;
    }
    return items;
  }
}

function readInteger(buffer: Buffer, from: number, end: number): number {
  const negative = buffer[from] === MINUS;
  let value = 0;
  for (let at = negative ? from + 1 : from; at < end; at++) value = value * 10 + ((buffer[at] ?? 0) - 0x30);
  return negative ? -value : value;
}
