import { modelError } from '../torchscript-error.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Longest name of a module or class. */
const MAX_NAME_BYTES = 8192;

/** Reads a pickle's bytes in order. If the bytes end early, the error names the record and the offset. */
export class PickleReader {
  /** Name of the record, for messages. */
  readonly record: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  /** Offset of the current opcode. */
  #opcodeAt = 0;

  constructor(bytes: Uint8Array, record: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.record = record;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  opcode(): number {
    this.#opcodeAt = this.#at;
    return this.uint8();
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  /** Floats are big-endian in pickles. All other numbers are little-endian. */
  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** A little-endian two's complement integer of `length` bytes, at most 8. */
  long(length: number): bigint {
    if (length > 8) throw this.damaged(`an integer of ${length} bytes; TorchScript's have at most 8`);
    const at = this.#advance(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#view.getUint8(at + i));
    return BigInt.asIntN(length * 8, value);
  }

  text(length: number): string {
    const at = this.#advance(length);
    try {
      return utf8.decode(this.#bytes.subarray(at, at + length));
    } catch {
      throw this.damaged('a string that is not UTF-8');
    }
  }

  /** Reads text up to a newline, and skips the newline. */
  line(): string {
    const end = this.#bytes.subarray(this.#at, this.#at + MAX_NAME_BYTES).indexOf(0x0a);
    if (end < 0) throw this.damaged(`a name that does not end within ${MAX_NAME_BYTES} bytes`);
    const text = this.text(end);
    this.#at++;
    return text;
  }

  /** An error at the current opcode. */
  error(what: string, details: Readonly<Record<string, unknown>> = {}): Error {
    const message = `${this.record}, byte ${this.#opcodeAt}: ${what}`;
    return modelError('pickle', message, { record: this.record, byteOffset: this.#opcodeAt, ...details });
  }

  /** An error at the current opcode for data that PyTorch never writes. */
  damaged(what: string): Error {
    return this.error(
      `${what}: the file is damaged, or torch.jit.save did not write it; copy it again, or save the model again`,
    );
  }

  #advance(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) {
      throw this.damaged(`the pickle ends within a value (${length} bytes wanted, ${this.#bytes.length - at} left)`);
    }
    this.#at = at + length;
    return at;
  }
}
