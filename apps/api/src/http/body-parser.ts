import type { FastifyInstance, FastifyRequest } from 'fastify';
import { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { BUDGET_SETTINGS, SconceError, overBudget } from '@sconce/errors';
import { freeBytes, ownMemory } from '@sconce/process/memory';
import { STEP_BYTES, type Steps } from '@sconce/tensor';
import { SMALL_JSON, smallBodyTooLarge } from './bounded-json.ts';
import { onSlowBody } from './connection-watch.ts';
import { askForBody, isWaiting } from './expect-continue.ts';
import { HELD_FROM_BYTES, type HeldBytes } from './held-bytes.ts';
import { holdBytes, holdOf, installHeldBytes } from './request-hold.ts';
import { slices } from './slices.ts';

/** Route config that leaves the body a stream: for uploads of any size. */
export const STREAM_BODY = { sconceStreamBody: true } as const;
/** Route config for bodies with tensors. Without it a body has at most the bytes of SMALL_JSON. */
export const TENSOR_BODY = { sconceTensorBody: true } as const;

/**
 * Gives handlers every body as bytes (a Buffer), whatever its content type, or as the stream itself on STREAM_BODY routes.
 * The bound counts decompressed bytes, so that a compressed body cannot exceed it. Large bodies are held bytes: they count with their
 * declared length before they come, else as they come.
 */
export function installBodyParser(
  fastify: FastifyInstance,
  options: { readonly maxBytes: number; readonly held: HeldBytes },
): void {
  installHeldBytes(fastify, options.held);
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (request: FastifyRequest, payload: Readable, done) => {
    const config = request.routeOptions.config as Partial<typeof STREAM_BODY & typeof TENSOR_BODY>;
    if (config.sconceStreamBody === true) {
      askForBody(request);
      done(null, payload);
      return;
    }
    const isSmall = config.sconceTensorBody !== true && SMALL_JSON.maxBytes < options.maxBytes;
    const limits = isSmall ? SMALL_LIMITS : { maxBytes: options.maxBytes, tooLarge: bodyTooLarge };
    if (isWaiting(request)) {
      if (request.is404) {
        done(null, Buffer.alloc(0));
        return;
      }
      const bytes = declaredBytes(request.raw);
      if (bytes > limits.maxBytes) {
        done(limits.tooLarge(limits.maxBytes, bytes));
        return;
      }
      askForBody(request);
    }
    collect(payload, { ...limits, isInflated: payload !== request.raw, request }, done);
  });
}

/** The largest body that a route takes, and the error for a larger one of which `bytes` have come. */
interface BodyLimits {
  readonly maxBytes: number;
  readonly tooLarge: (maxBytes: number, bytes: number) => SconceError;
}

const SMALL_LIMITS: BodyLimits = {
  maxBytes: SMALL_JSON.maxBytes,
  tooLarge: (maxBytes) => smallBodyTooLarge(maxBytes),
};

/** A body of this declared length or more is read into one buffer of that length. Shorter bodies are joined at their end. */
const LARGE_BYTES = HELD_FROM_BYTES;
/** How much of a body that is too large is read before it is refused, and for how long. */
const MAX_DROPPED_BYTES = 256 * 1024 ** 2;
const MAX_DROPPING_MS = 5_000;

/**
 * Reads a whole body and calls `done` once. A body that is too large is read to its end and dropped before it is refused: a client that is
 * still sending would see a closed connection and no answer. A compressed body that is far too large is not decompressed to its end.
 */
function collect(
  payload: Readable,
  {
    maxBytes,
    tooLarge: refuse,
    isInflated,
    request,
  }: BodyLimits & { readonly isInflated: boolean; readonly request: FastifyRequest },
  done: (error: Error | null, body?: Buffer) => void,
): void {
  let whole: Buffer<ArrayBuffer> | undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isEnded = false;
  let refusal: SconceError | undefined;
  let timer: NodeJS.Timeout | undefined;
  const end = (error: Error | null, body?: Buffer): void => {
    if (isEnded) return;
    isEnded = true;
    clearTimeout(timer);
    done(error, body);
  };
  const drop = (error: SconceError): void => {
    chunks.length = 0;
    if (whole !== undefined) freeBytes(whole);
    whole = undefined;
    holdOf(request)?.set(0);
    refusal ??= error;
    timer ??= setTimeout(end, MAX_DROPPING_MS, refusal);
    if (isInflated && bytes > 2 * maxBytes) payload.destroy();
    else if (bytes > MAX_DROPPED_BYTES) end(refusal);
  };
  /** Memory for the body, if the process may hold as much; else the body is dropped. */
  const allocate = (length: number): Buffer<ArrayBuffer> | undefined => {
    try {
      // While the buffer grows there are two.
      holdBytes(request, length + (whole?.byteLength ?? 0));
      return Buffer.allocUnsafeSlow(length);
    } catch (error) {
      drop(error as SconceError);
      return undefined;
    }
  };
  const expectedBytes = isInflated ? 0 : declaredBytes(payload);
  if (expectedBytes >= LARGE_BYTES && expectedBytes <= maxBytes) whole = allocate(expectedBytes);
  // Listeners, because an async iterator costs several times as much as the rest of reading a small body (measured).
  payload.on('data', (chunk: Buffer) => {
    const start = bytes;
    bytes += chunk.byteLength;
    if (refusal !== undefined || bytes > maxBytes) {
      drop(refusal ?? refuse(maxBytes, bytes));
      if (!isInflated) freeBytes(chunk);
      return;
    }
    if (whole === undefined && bytes < LARGE_BYTES) {
      chunks.push(chunk);
      return;
    }
    if (whole === undefined) {
      whole = allocate(Math.max(start, 2 * LARGE_BYTES));
      if (whole === undefined) return;
      Buffer.concat(chunks).copy(whole);
      chunks.length = 0;
    }
    if (bytes <= whole.byteLength) {
      whole.set(chunk, start);
      // Node's parser made this chunk for this listener.
      if (!isInflated) freeBytes(chunk);
      return;
    }
    // The length of a compressed body is not known, so its buffer grows. Nothing is read meanwhile.
    payload.pause();
    const full = whole;
    const grown = allocate(Math.min(maxBytes, 2 * bytes));
    if (grown === undefined) {
      payload.resume();
      return;
    }
    whole = grown;
    whole.set(chunk, start);
    const goOn = (): void => {
      freeBytes(full);
      holdBytes(request, grown.byteLength);
      payload.resume();
    };
    const growing = slices.run(copySteps(full.subarray(0, start), grown));
    if (growing instanceof Promise) void growing.then(goOn);
    else goOn();
  });
  payload.once('end', () => {
    if (refusal !== undefined) end(refusal);
    else if (whole !== undefined) end(null, ownMemory(Buffer.from(whole.buffer, 0, bytes)));
    else end(null, chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes));
  });
  payload.once('error', end);
  onSlowBody(request.raw, end);
  payload.once('close', () => {
    if (payload.readableEnded) return;
    end(refusal ?? new SconceError('invalid_request', 'The connection closed before the whole body had arrived.'));
  });
  // The decompression stream is paused at first.
  payload.resume();
}

function* copySteps(from: Buffer, to: Buffer): Steps<void> {
  for (let at = 0; at < from.byteLength; at += STEP_BYTES) {
    from.copy(to, at, at, at + STEP_BYTES);
    yield;
  }
}

function bodyTooLarge(limit: number, value: number): SconceError {
  return overBudget({ field: 'body_bytes', limit, value, setting: BUDGET_SETTINGS.body_bytes, isAtLeast: true });
}

/** `Content-Length`; 0 if it is absent. Node's parser makes sure that exactly this many bytes arrive. */
function declaredBytes(payload: Readable): number {
  return payload instanceof IncomingMessage ? Number(payload.headers['content-length'] ?? 0) : 0;
}
