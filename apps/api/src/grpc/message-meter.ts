import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { SconceError } from '@sconce/errors';
import { HELD_FROM_BYTES, type HeldBytes, type Hold } from '../http/held-bytes.ts';
import { failedCall } from './grpc-status.ts';

/** In front of a message are a byte that says whether it is compressed, and its length (4 bytes). */
const PREFIX_BYTES = 5;
/** Deflate makes bytes at most so many times smaller. */
const MOST_RATIO = 1_032;
/** Node's channel for streams that a caller opens, before the server gets them. */
const STREAMS = 'http2.server.stream.created';

export interface MessageMeterOptions {
  readonly held: HeldBytes;
  /** Largest message that is taken, after decompression. */
  readonly maxBytes: number;
}

/**
 * Holds the bytes of messages of gRPC while they come. grpc-js collects a message before it hands it on, so the meter reads the lengths of
 * messages beside it. A call whose message finds no room ends with RESOURCE_EXHAUSTED. Returns what ends the metering.
 */
export function meterMessages(options: MessageMeterOptions): () => void {
  const onStream = (message: unknown): void => {
    const { stream } = message as { readonly stream: ServerHttp2Stream };
    const meter = new MessageMeter(stream, options);
    stream.on('data', (chunk: Buffer) => meter.take(chunk));
  };
  subscribe(STREAMS, onStream);
  return () => void unsubscribe(STREAMS, onStream);
}

/** The messages of one call. States: *between messages* ⇄ *in a message* → *refused*. */
class MessageMeter {
  readonly #stream: ServerHttp2Stream;
  readonly #options: MessageMeterOptions;
  #prefixBytes = 0;
  #length = 0;
  #isCompressed = false;
  /** Bytes of the message that have not come. */
  #rest = 0;
  #hold: Hold | undefined;

  constructor(stream: ServerHttp2Stream, options: MessageMeterOptions) {
    this.#stream = stream;
    this.#options = options;
  }

  take(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#rest > 0) {
        const bytes = Math.min(this.#rest, chunk.length - at);
        at += bytes;
        this.#rest -= bytes;
        // From now on the handler holds the message. It gets a compressed one later, when it is decompressed.
        if (this.#rest === 0 && !this.#isCompressed) this.#hold?.set(0);
        continue;
      }
      const byte = chunk[at] ?? 0;
      at += 1;
      if (this.#prefixBytes === 0) {
        this.#isCompressed = byte === 1;
        this.#length = 0;
      } else this.#length = this.#length * 256 + byte;
      this.#prefixBytes += 1;
      if (this.#prefixBytes === PREFIX_BYTES) this.#begin();
    }
  }

  #begin(): void {
    this.#prefixBytes = 0;
    this.#rest = this.#length;
    const { held, maxBytes } = this.#options;
    const bytes = this.#isCompressed ? Math.min(maxBytes, this.#length * MOST_RATIO) : this.#length;
    // grpc-js refuses a message that is too large.
    if (bytes < HELD_FROM_BYTES || bytes > maxBytes || this.#stream.closed || this.#stream.destroyed) return;
    if (this.#hold === undefined) {
      const hold = held.begin(undefined);
      this.#hold = hold;
      this.#stream.once('close', () => hold.end());
    }
    try {
      this.#hold.set(Math.max(this.#hold.bytes, bytes));
    } catch (error) {
      if (!(error instanceof SconceError)) throw error;
      this.#refuse(error);
    }
  }

  /** Answers, and closes the stream: from then on grpc-js takes the call for cancelled. */
  #refuse(error: SconceError): void {
    const { code, details = '', metadata } = failedCall(error);
    if (!this.#stream.headersSent) {
      const status = { 'grpc-status': code, 'grpc-message': encodeURI(details) };
      const headers = { ':status': 200, 'content-type': 'application/grpc+proto', ...status };
      this.#stream.respond({ ...headers, ...metadata?.toHttp2Headers() }, { endStream: true });
    }
    this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }
}
