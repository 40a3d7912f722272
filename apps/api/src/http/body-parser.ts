import type { FastifyInstance, FastifyRequest } from 'fastify';
import { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { SconceError } from '@sconce/errors';

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

/**
 * Reads a whole body and calls `done` once. The rest of a body that is too large is read and dropped, so that a client that reads only after it has sent
 * everything gets its answer. A compressed body that is far too large is not decompressed to its end.
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
  const end = (error: Error | null, body?: Buffer): void => {
    if (isEnded) return;
    isEnded = true;
    done(error, body);
  };
  // Listeners, because an async iterator costs several times as much as the rest of reading a small body (measured).
  payload.on('data', (chunk: Buffer) => {
    const start = bytes;
    bytes += chunk.byteLength;
    if (bytes <= maxBytes) {
      if (whole === undefined) chunks.push(chunk);
      else whole.set(chunk, start);
    } else {
      chunks.length = 0;
      if (isInflated && bytes > 2 * maxBytes) payload.destroy();
      end(
        new SconceError(
          'payload_too_large',
          `The body is larger than ${maxBytes} bytes; send fewer rows per request, or raise SCONCE_MAX_BODY_BYTES.`,
        ),
      );
    }
  });
  payload.once('end', () => {
    end(null, whole ?? (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes)));
  });
  payload.once('error', end);
  payload.once('close', () => {
    if (payload.readableEnded) return;
    end(new SconceError('invalid_request', 'The connection closed before the whole body had arrived.'));
  });
  // The decompression stream is paused at first.
  payload.resume();
}

/** `Content-Length`; 0 if it is absent. Node's parser makes sure that exactly this many bytes arrive. */
function declaredBytes(payload: Readable): number {
  return payload instanceof IncomingMessage ? Number(payload.headers['content-length'] ?? 0) : 0;
}
