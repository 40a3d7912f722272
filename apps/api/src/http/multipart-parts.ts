import type { Readable } from 'node:stream';
import { SconceError } from '@sconce/errors';
import { DelimitedReader } from './delimited-reader.ts';

/** One part of a form. */
export interface FormPart {
  /** Empty if its headers give none. */
  readonly name: string;
  /** Name and media type that the sender gives a file. */
  readonly filename?: string;
  readonly contentType?: string;
  /** Must be read before the next part. The bytes that are then unread are skipped. */
  readonly body: AsyncIterable<Uint8Array>;
}

const MAX_HEADER_BYTES = 8 * 1024;
/** RFC 2046. */
const MAX_BOUNDARY_LENGTH = 70;
const HEADERS_END = Buffer.from('\r\n\r\n');

/** Whether a request's body is a form of parts. */
export function isMultipart(contentType: string | undefined): contentType is string {
  return /^multipart\/form-data\s*(;|$)/i.test(contentType ?? '');
}

/**
 * The parts of a `multipart/form-data` body (RFC 7578), one after another. The body is read as fast as the parts are, so that
 * one or two chunks of it are in memory at a time. A caller that stops early leaves `payload` open and unread: see `discard`.
 *
 * @throws SconceError `invalid_request` if the form is malformed or cut off. Errors of `payload` are passed on.
 */
export async function* readParts(payload: Readable, contentType: string): AsyncGenerator<FormPart, void, undefined> {
  const delimiter = Buffer.from(`\r\n--${boundaryOf(contentType)}`);
  const reader = new DelimitedReader(payload, {
    // The first delimiter may be at the very beginning, without a line before it.
    start: '\r\n',
    cutOff: () => malformed('it ends before its last line, the boundary followed by "--"'),
  });
  try {
    await skip(reader.until(delimiter));
    while ((await reader.peek(2)).toString('latin1') !== '--') {
      const headers = headersOf(await readHeaders(reader));
      let isRead = false;
      const body = async function* (): AsyncGenerator<Uint8Array> {
        yield* reader.until(delimiter);
        isRead = true;
      };
      yield { ...headers, body: body() };
      if (!isRead) await skip(reader.until(delimiter));
    }
  } finally {
    reader.close();
  }
}

/** Reads and drops the rest of a body, so that a client that reads only after it has sent everything gets its answer. Never throws. */
export async function discard(payload: Readable): Promise<void> {
  try {
    await skip(payload as AsyncIterable<Uint8Array>);
  } catch {
    // The answer has been sent, so a failure has no effect any more.
  }
}

async function skip(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}

function boundaryOf(contentType: string): string {
  const boundary = parameterOf(contentType.slice(contentType.indexOf(';')), 'boundary');
  if (boundary === undefined || boundary === '') throw malformed('its content type names no boundary');
  if (boundary.length > MAX_BOUNDARY_LENGTH) throw malformed(`its boundary has over ${MAX_BOUNDARY_LENGTH} characters`);
  return boundary;
}

/** The lines between a delimiter and a body. Only white space may follow a delimiter. */
async function readHeaders(reader: DelimitedReader): Promise<readonly string[]> {
  let text = '';
  for await (const piece of reader.until(HEADERS_END)) {
    text += piece.toString('latin1');
    if (text.length > MAX_HEADER_BYTES) throw malformed(`the headers of a part have over ${MAX_HEADER_BYTES} bytes`);
  }
  const [padding = '', ...lines] = Buffer.from(text, 'latin1').toString('utf8').split('\r\n');
  if (padding.trim() !== '') throw malformed('text follows a boundary');
  return lines;
}

function headersOf(headers: readonly string[]): Omit<FormPart, 'body'> {
  let part: Omit<FormPart, 'body'> = { name: '' };
  for (const header of headers) {
    const [, parameters] = /^content-disposition\s*:\s*form-data\s*(;.*)$/i.exec(header) ?? [];
    if (parameters !== undefined) {
      part = { ...part, name: parameterOf(parameters, 'name') ?? '', filename: parameterOf(parameters, 'filename') };
    }
    const [, contentType] = /^content-type\s*:\s*(\S.*)$/i.exec(header) ?? [];
    if (contentType !== undefined) part = { ...part, contentType: contentType.trim() };
  }
  return part;
}

/** The value of one of `; a=b; c="d"`. */
function parameterOf(text: string, name: string): string | undefined {
  for (const [, key, quoted, plain] of text.matchAll(/;\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))/gy)) {
    if (key?.toLowerCase() === name) return quoted?.replace(/\\(.)/g, '$1') ?? plain;
  }
  return undefined;
}

function malformed(reason: string): SconceError {
  return new SconceError('invalid_request', `The multipart form cannot be read: ${reason}.`, {
    details: { param: 'content-type' },
  });
}
