import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { SconceError } from '@sconce/errors';
import { errorBody } from './error-answer.ts';

/** An error of Node's parser. `rawPacket` is what it was reading: a Buffer, whatever its types say. */
interface ParserError extends Error {
  readonly code?: string;
  readonly reason?: string;
  readonly rawPacket?: unknown;
}

/** Characters of a request line that are looked at. */
const LINE_CHARS = 512;

/** Answers a request that is no HTTP, in the form of the API that its URL names, and closes the connection. */
export function answerBrokenRequest(error: ParserError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const { status, thrown } = explain(error);
  const { rawPacket } = error;
  const line = Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1', 0, LINE_CHARS) : '';
  const body = errorBody(/^[A-Z]+ (\/\S*)/.exec(line)?.[1] ?? '', thrown, status);
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json; charset=utf-8\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroy(error);
}

function explain({ code, reason, message }: ParserError): { readonly status: number; readonly thrown: SconceError } {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { status: 408, thrown: new SconceError('request_timeout', 'The headers of the request came too slowly.') };
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const text = 'The URL and the headers of the request are too long; expected at most 16 KiB together.';
    return { status: 431, thrown: new SconceError('payload_too_large', text) };
  }
  return { status: 400, thrown: new SconceError('invalid_request', `The request is not HTTP: ${reason ?? message}.`) };
}
