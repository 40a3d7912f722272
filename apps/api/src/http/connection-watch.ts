import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { SconceError } from '@sconce/errors';

/** A caller must send or take so many bytes in each timeout, unless it has less to send or take. */
const LEAST_BYTES = 16 * 1024;
/** A transfer that the process holds memory for may take so many timeouts. */
export const MOST_TIMEOUTS = 10;
/** Looks at the connections per timeout. */
const LOOKS = 4;

const WATCHED = Symbol('watched');

/** A connection. Its state is a property of the socket, because a look-up for each request would cost more. */
interface Watched {
  /** The newest request. Undefined before the first. */
  request: IncomingMessage | undefined;
  response: ServerResponse | undefined;
  /** Bytes that its caller must send or take in each timeout. */
  leastBytes: number;
  /** Ends the reading of the request's body with an error. */
  refuse: ((error: SconceError) => void) | undefined;
  /** Bytes that were sent and taken when the time began; the time is undefined if the server waits for nothing. */
  bytes: number;
  sinceMs: number | undefined;
  /** The caller has been told: what is left is to close the connection. */
  isTold: boolean;
}

type WatchedSocket = Socket & { [WATCHED]?: Watched };

/**
 * Ends requests whose callers are too slow: those that send a body (or the headers of the first request) by less than 16 KiB per timeout get
 * the error `request_timeout`; the connection of a caller that does not take its answer is closed. With `watchTransfer` it is more than 16 KiB. A body that the server itself does not
 * read at the moment does not count. Connections are looked at from time to time, so a request costs no timer.
 */
export function installConnectionWatch(fastify: FastifyInstance, { timeoutMs }: { readonly timeoutMs: number }): void {
  const sockets = new Set<WatchedSocket>();
  fastify.server.on('connection', (socket: WatchedSocket) => {
    socket[WATCHED] = {
      request: undefined,
      response: undefined,
      leastBytes: LEAST_BYTES,
      refuse: undefined,
      bytes: 0,
      sinceMs: undefined,
      isTold: false,
    };
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  // Before Fastify, which may begin to read the body at once.
  fastify.server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const watched = (request.socket as WatchedSocket)[WATCHED];
    if (watched === undefined) return;
    watched.request = request;
    watched.response = response;
    watched.leastBytes = LEAST_BYTES;
    watched.refuse = undefined;
    watched.isTold = false;
  });
  const timer = setInterval(() => {
    const nowMs = performance.now();
    for (const socket of sockets) look(socket, { nowMs, timeoutMs });
  }, timeoutMs / LOOKS).unref();
  fastify.addHook('onClose', (_instance, done) => {
    clearInterval(timer);
    done();
  });
}

/** Tells how the reading of a body is ended if it takes too long. Without it the request emits the error. */
export function onSlowBody(request: IncomingMessage, refuse: (error: SconceError) => void): void {
  const watched = watchedOf(request);
  if (watched !== undefined) watched.refuse = refuse;
}

/** The answer to a request. Undefined if its connection is not watched, or is at another request. */
export function responseTo(request: IncomingMessage): ServerResponse | undefined {
  return watchedOf(request)?.response;
}

/** The process holds so many bytes for the request: its caller must send or take a tenth of them in each timeout. */
export function watchTransfer(request: IncomingMessage, bytes: number): void {
  const watched = watchedOf(request);
  if (watched !== undefined) watched.leastBytes = Math.max(LEAST_BYTES, Math.ceil(bytes / MOST_TIMEOUTS));
}

function watchedOf(request: IncomingMessage): Watched | undefined {
  const watched = (request.socket as WatchedSocket)[WATCHED];
  return watched?.request === request ? watched : undefined;
}

function look(
  socket: WatchedSocket,
  { nowMs, timeoutMs }: { readonly nowMs: number; readonly timeoutMs: number },
): void {
  const watched = socket[WATCHED];
  if (watched === undefined) return;
  const { request } = watched;
  const isSending = socket.writableLength > 0;
  const isReceiving =
    request === undefined || (!request.complete && request.readableLength < request.readableHighWaterMark);
  if (!isSending && !isReceiving) {
    watched.sinceMs = undefined;
    return;
  }
  const bytes = socket.bytesRead + socket.bytesWritten - socket.writableLength;
  if (
    watched.sinceMs === undefined ||
    (nowMs - watched.sinceMs >= timeoutMs && bytes - watched.bytes >= watched.leastBytes)
  ) {
    watched.sinceMs = nowMs;
    watched.bytes = bytes;
  }
  if (nowMs - watched.sinceMs < timeoutMs) return;
  watched.sinceMs = nowMs;
  if (request === undefined || request.complete || watched.isTold) {
    socket.destroy();
    return;
  }
  watched.isTold = true;
  const error = new SconceError(
    'request_timeout',
    `The body came too slowly: less than ${watched.leastBytes} bytes in ${timeoutMs} ms. Send it faster, or raise SCONCE_TRANSFER_TIMEOUT_MS.`,
  );
  if (watched.refuse !== undefined) watched.refuse(error);
  else if (request.listenerCount('error') > 0) request.emit('error', error);
  else socket.destroy();
}
