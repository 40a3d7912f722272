import type { FastifyInstance, FastifyRequest } from 'fastify';
import { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { SconceError } from '@sconce/errors';
import { freeBytes } from '@sconce/process/memory';

/** Route config that leaves the body a stream: for uploads of any size. */
export const STREAM_BODY = { sconceStreamBody: true } as const;

/**
 * Gives handlers every body as bytes (a Buffer), whatever its content type, or as the stream itself on STREAM_BODY routes.
 * The bound counts decompressed bytes, so that a compressed body cannot exceed it.
 */
export function installBodyParser(fastify: FastifyInstance, options: { maxBytes: number }): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (request: FastifyRequest, payload: Readable, done) => {
    const config = request.routeOptions.config as Partial<typeof STREAM_BODY>;
    if (config.sconceStreamBody === true) done(null, payload);
    else collect(payload, { maxBytes: options.maxBytes, isInflated: payload !== request.raw }, done);
  });
}

/** A body of this declared length or more is read into one buffer of that length. Shorter bodies are joined at their end. */
const LARGE_BYTES = 64 * 1024;
/** How much of a body that is too large is read before it is refused, and for how long. */
const MAX_DROPPED_BYTES = 256 * 1024 ** 2;
const MAX_DROPPING_MS = 5_000;

/**
 * Reads a whole body and calls `done` once. A body that is too large is read to its end and dropped before it is refused: a client that is
 * still sending would see a closed connection and no answer. A compressed body that is far too large is not decompressed to its end.
 */
function collect(
  payload: Readable,
  { maxBytes, isInflated }: { readonly maxBytes: number; readonly isInflated: boolean },
  done: (error: Error | null, body?: Buffer) => void,
): void {
  const expectedBytes = isInflated ? 0 : declaredBytes(payload);
  const whole =
    expectedBytes >= LARGE_BYTES && expectedBytes <= maxBytes ? Buffer.allocUnsafeSlow(expectedBytes) : undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isEnded = false;
  let tooLarge: SconceError | undefined;
  let timer: NodeJS.Timeout | undefined;
  const end = (error: Error | null, body?: Buffer): void => {
    if (isEnded) return;
    isEnded = true;
    clearTimeout(timer);
    done(error, body);
  };
  const drop = (): void => {
    chunks.length = 0;
    tooLarge ??= bodyTooLarge(maxBytes);
    timer ??= setTimeout(end, MAX_DROPPING_MS, tooLarge);
    if (isInflated && bytes > 2 * maxBytes) payload.destroy();
    else if (bytes > MAX_DROPPED_BYTES) end(tooLarge);
  };
  // Listeners, because an async iterator costs several times as much as the rest of reading a small body (measured).
  payload.on('data', (chunk: Buffer) => {
    const start = bytes;
    bytes += chunk.byteLength;
    if (bytes > maxBytes) drop();
    else if (whole === undefined) chunks.push(chunk);
    else {
      whole.set(chunk, start);
      // Node's parser made this chunk for this listener.
      freeBytes(chunk);
    }
  });
  payload.once('end', () => {
    if (tooLarge !== undefined) end(tooLarge);
    else end(null, whole ?? (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes)));
  });
  payload.once('error', end);
  payload.once('close', () => {
    if (payload.readableEnded) return;
    end(tooLarge ?? new SconceError('invalid_request', 'The connection closed before the whole body had arrived.'));
  });
  // The decompression stream is paused at first.
  payload.resume();
}

function bodyTooLarge(maxBytes: number): SconceError {
  return new SconceError(
    'payload_too_large',
    `The body is larger than ${maxBytes} bytes; send fewer rows per request, or raise SCONCE_MAX_BODY_BYTES.`,
  );
}

/** `Content-Length`; 0 if it is absent. Node's parser makes sure that exactly this many bytes arrive. */
function declaredBytes(payload: Readable): number {
  return payload instanceof IncomingMessage ? Number(payload.headers['content-length'] ?? 0) : 0;
}
