import type { ByteSource } from '@sconce/storage';
import { SconceError } from '@sconce/errors';
import { datasetError } from '../dataset-error.ts';
import { MIN_VERSION, readMessage, type ArrowMessage } from './arrow-messages.ts';

const CONTINUATION = 0xffff_ffff;
/** The metadata of a batch need 16 bytes for each column and each buffer. */
const MAX_METADATA_BYTES = 64 * 1024 ** 2;
/** Bytes to read at once, so that small consecutive messages need one read. */
const WINDOW_BYTES = 64 * 1024;
const FIRST_BYTES = 1024;

/** A message and its position. */
export interface PlacedMessage {
  readonly message: ArrowMessage;
  readonly offset: number;
  readonly bodyOffset: number;
  /** Offset of the next message. */
  readonly end: number;
}

/** Reads messages by their offset. */
export class MessageSource {
  readonly #source: ByteSource;
  #window: { readonly start: number; readonly bytes: Uint8Array } | undefined;
  #metadataBytes = FIRST_BYTES;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /**
   * The message at `offset`; undefined if the stream ends there. @throws SconceError `invalid_dataset` if there is no valid message, or it
   * is cut off.
   */
  async at(offset: number): Promise<PlacedMessage | undefined> {
    const { size } = this.#source;
    if (offset === size) return undefined;
    const head = await this.#read(offset, Math.min(8, size - offset));
    if (head.byteLength < 4) throw cutOff(offset, size);
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    // Writers before version 0.15 did not write the continuation marker.
    const hasContinuation = view.getUint32(0, true) === CONTINUATION;
    if (hasContinuation && head.byteLength < 8) throw cutOff(offset, size);
    const length = view.getInt32(hasContinuation ? 4 : 0, true);
    if (length === 0) return undefined;
    const start = offset + (hasContinuation ? 8 : 4);
    if (length < 0 || length > MAX_METADATA_BYTES) {
      throw damagedAt(offset, `its metadata should have ${length} bytes; at most ${MAX_METADATA_BYTES} are supported`);
    }
    const bodyOffset = start + length;
    if (bodyOffset > size) throw cutOff(offset, size);
    this.#metadataBytes = length;
    const message = await this.#message(offset, start, length);
    const end = bodyOffset + message.bodyLength;
    if (end > size) throw cutOff(offset, size);
    return { message, offset, bodyOffset, end };
  }

  async #message(offset: number, start: number, length: number): Promise<ArrowMessage> {
    const metadata = await this.#read(start, length);
    try {
      const message = readMessage(metadata);
      if (message.version >= MIN_VERSION) return message;
    } catch (error) {
      if (error instanceof SconceError) throw error;
      throw damagedAt(offset, error instanceof Error ? error.message : String(error), error);
    }
    throw datasetError('The Arrow file has a format version before 0.8: write it with a newer library.');
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    const window = this.#window;
    if (window !== undefined && offset >= window.start && offset + length <= window.start + window.bytes.byteLength) {
      return window.bytes.subarray(offset - window.start, offset - window.start + length);
    }
    // After a large body only one message is needed; after a small one the next messages too.
    const near = window !== undefined && offset <= window.start + window.bytes.byteLength + WINDOW_BYTES;
    const wanted = Math.max(length, near ? WINDOW_BYTES : this.#metadataBytes + 64);
    const bytes = await this.#source.read(offset, Math.min(wanted, this.#source.size - offset));
    this.#window = { start: offset, bytes };
    return bytes.subarray(0, length);
  }
}

/** The error for bytes that are not a valid message. */
export function damagedAt(offset: number, why: string, cause?: unknown): SconceError {
  return datasetError(`The Arrow file is damaged at byte ${offset}: ${why}. Write it again.`, { cause });
}

function cutOff(offset: number, size: number): SconceError {
  return datasetError(
    `The Arrow file is cut off: it has ${size} bytes, and the message at byte ${offset} is longer. Send the whole file.`,
  );
}
