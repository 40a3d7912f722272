import { closeSync, existsSync, openSync, renameSync, writeFile } from 'node:fs';
import { Writable } from 'node:stream';

const MAX_BYTES = 16 * 1024 * 1024;

/**
 * The log file of a process. It starts empty, and the file of the run before is kept as `<path>.1`. When it grows past
 * `maxBytes` it starts again in the same way, so the two files never take more than twice `maxBytes`. Lines that the disk
 * does not take are dropped: a full disk must not end the stack.
 */
export class BoundedLog extends Writable {
  readonly #path: string;
  readonly #maxBytes: number;
  #file: number;
  #bytes = 0;

  constructor(path: string, maxBytes: number = MAX_BYTES) {
    super({ decodeStrings: true });
    this.#path = path;
    this.#maxBytes = maxBytes;
    if (existsSync(path)) renameSync(path, `${path}.1`);
    this.#file = openSync(path, 'w', 0o600);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#bytes > 0 && this.#bytes + chunk.byteLength > this.#maxBytes) this.#rotate();
    this.#bytes += chunk.byteLength;
    writeFile(this.#file, chunk, () => {
      done();
    });
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    closeSync(this.#file);
    done(error);
  }

  #rotate(): void {
    try {
      renameSync(this.#path, `${this.#path}.1`);
      const next = openSync(this.#path, 'w', 0o600);
      closeSync(this.#file);
      this.#file = next;
      this.#bytes = 0;
    } catch {
      // The folder was removed or the disk is full: the next lines go to the old file.
    }
  }
}
