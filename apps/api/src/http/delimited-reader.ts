import type { Readable } from 'node:stream';

/** Reads a stream up to delimiters. It holds one chunk at a time, however much lies between two delimiters. */
export class DelimitedReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #cutOff: () => Error;
  #buffer: Buffer;

  /** `start` is read before the stream. `cutOff` makes the error for a stream that ends too early. */
  constructor(payload: Readable, options: { readonly start: string; readonly cutOff: () => Error }) {
    this.#chunks = payload.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
    this.#buffer = Buffer.from(options.start);
    this.#cutOff = options.cutOff;
  }

  /** The bytes before the delimiter, which is skipped. A caller that stops early continues with another call. */
  async *until(delimiter: Buffer): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const at = this.#buffer.indexOf(delimiter);
      if (at >= 0) {
        if (at > 0) yield this.#take(at);
        this.#take(delimiter.byteLength);
        return;
      }
      // The rest may be the beginning of the delimiter.
      const certain = this.#buffer.byteLength - delimiter.byteLength + 1;
      if (certain > 0) yield this.#take(certain);
      await this.#fill();
    }
  }

  /** The next bytes, which stay unread. */
  async peek(bytes: number): Promise<Buffer> {
    while (this.#buffer.byteLength < bytes) await this.#fill();
    return this.#buffer.subarray(0, bytes);
  }

  /** Ends reading. The stream is not destroyed, and not read further. */
  close(): void {
    // Not awaited: it reports nothing after an error of the stream, and no read is pending here.
    void this.#chunks.return?.().catch(() => undefined);
  }

  #take(bytes: number): Buffer {
    const taken = this.#buffer.subarray(0, bytes);
    this.#buffer = this.#buffer.subarray(bytes);
    return taken;
  }

  async #fill(): Promise<void> {
    const step = await this.#chunks.next();
    if (step.done === true) throw this.#cutOff();
    this.#buffer = this.#buffer.byteLength === 0 ? Buffer.from(step.value) : Buffer.concat([this.#buffer, step.value]);
  }
}
