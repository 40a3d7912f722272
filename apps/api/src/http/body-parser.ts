import type { FastifyInstance, FastifyRequest } from 'fastify';
import { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { SconceError } from '@sconce/errors';

/** Route config that leaves the body a stream: for uploads of any size. */
export const STREAM_BODY = { sconceStreamBody: true } as const;

/**
 * Hands every body on as bytes (a Buffer), whatever its content type, or as the stream itself on STREAM_BODY routes.
 * The bound counts what comes out of decompression, so a small bomb stays small.
 */
export function installBodyParser(fastify: FastifyInstance, options: { maxBytes: number }): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', async (request: FastifyRequest, payload: Readable) => {
    const config = request.routeOptions.config as Partial<typeof STREAM_BODY>;
    if (config.sconceStreamBody === true) return payload;
    return collect(payload, { maxBytes: options.maxBytes, isInflated: payload !== request.raw });
  });
}

/** From here on a body whose length is known is read into memory of that size at once, instead of being joined at its end. */
const LARGE_BYTES = 64 * 1024;

/**
 * What is too large is read on and thrown away, so that a client that sends all before it listens gets its answer; but a bomb is
 * not inflated to its end.
 */
function collect(
  payload: Readable,
  bound: { readonly maxBytes: number; readonly isInflated: boolean },
): Promise<Buffer> {
  const { maxBytes, isInflated } = bound;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const expectedBytes = isInflated ? 0 : declaredBytes(payload);
  const whole =
    expectedBytes >= LARGE_BYTES && expectedBytes <= maxBytes ? Buffer.allocUnsafeSlow(expectedBytes) : undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Listeners, not an async iterator: that costs several times as much as the rest of reading a small body (measured).
  payload.on('data', (chunk: Buffer) => {
    const start = bytes;
    bytes += chunk.byteLength;
    if (bytes <= maxBytes) {
      if (whole === undefined) chunks.push(chunk);
      else whole.set(chunk, start);
    } else {
      chunks.length = 0;
      if (isInflated && bytes > 2 * maxBytes) payload.destroy();
      reject(
        new SconceError(
          'payload_too_large',
          `The body is larger than ${maxBytes} bytes; send fewer rows per request, or raise SCONCE_MAX_BODY_BYTES.`,
        ),
      );
    }
  });
  payload.once('end', () => {
    resolve(whole ?? (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes)));
  });
  payload.once('error', reject);
  payload.once('close', () => {
    if (payload.readableEnded) return;
    reject(new SconceError('invalid_request', 'The connection closed before the whole body had come.'));
  });
  // Decompression comes paused.
  payload.resume();
  return promise;
}

/** `Content-Length`: node's parser sees to it that exactly as many bytes come. 0 where it is not said. */
function declaredBytes(payload: Readable): number {
  return payload instanceof IncomingMessage ? Number(payload.headers['content-length'] ?? 0) : 0;
}
