import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { BlobBody } from '@sconce/storage';

/** The chunk's part of the error file. Without errors there is no blob. */
export class ErrorLines {
  readonly #put: (body: BlobBody) => Promise<unknown>;
  #stream: PassThrough | undefined;
  #stored: Promise<unknown> | undefined;
  #bytes = 0;

  constructor(put: (body: BlobBody) => Promise<unknown>) {
    this.#put = put;
  }

  async write(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    if (this.#stream === undefined) {
      this.#stream = new PassThrough();
      this.#stored = this.#put(this.#stream);
      this.#stored.catch((error: unknown) => this.#stream?.destroy(error as Error));
    }
    const bytes = Buffer.from(lines.join(''));
    this.#bytes += bytes.byteLength;
    if (!this.#stream.write(bytes)) await once(this.#stream, 'drain');
  }

  /** Bytes written. */
  async end(): Promise<number> {
    this.#stream?.end();
    await this.#stored;
    return this.#bytes;
  }

  async abandon(error: unknown): Promise<void> {
    this.#stream?.on('error', () => undefined);
    this.#stream?.destroy(error instanceof Error ? error : new Error(String(error)));
    await this.#stored?.catch(() => undefined);
  }
}
