import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { OipBodyParts, Steps } from '@sconce/tensor';
import { headersOf } from '../http/draining.ts';
import { slices } from '../http/slices.ts';
import type { InferenceResult, StreamedBytes } from './prepared-inference.ts';

/** Characters or bytes that are written at once of a large answer. */
const WRITE_BYTES = 256 * 1024;
/** Binary outputs of more bytes are written in parts, as the caller takes them. */
const LARGE_BYTES = 1024 ** 2;

/**
 * Sends an infer answer: the body of the protocol, and the header `Server-Timing`. It writes to Node's response itself, because Fastify's
 * `send` costs a fifth of a small request (ADR 28). So no `onSend` hook sees the answer. A large answer is written in parts, as fast as the
 * caller takes them; the promise ends with the last.
 */
export function sendResult(reply: FastifyReply, { response, timing, release }: InferenceResult): void | Promise<void> {
  const { queueMs, batchMs, runMs, batchRows } = timing;
  const headers = headersOf(reply, [
    'server-timing',
    `queue;dur=${queueMs}, batch;dur=${batchMs};desc="${batchRows} rows", run;dur=${runMs}`,
  ]);
  reply.hijack();
  const { raw } = reply;
  if (release !== undefined) {
    if (raw.destroyed) release();
    else raw.once('close', release);
  }
  if (isWhole(response)) sendWhole(raw, response, headers);
  else return sendPieces(raw, response, headers);
}

function isWhole(response: InferenceResult['response']): response is OipBodyParts {
  const isSmall = (part: Uint8Array | StreamedBytes): boolean => !('open' in part) && part.byteLength < LARGE_BYTES;
  return typeof response.json === 'string' && response.binary.every(isSmall);
}

function sendWhole(raw: ServerResponse, { json, binary }: OipBodyParts, headers: readonly string[]): void {
  const jsonBytes = Buffer.byteLength(json);
  if (binary.length === 0) {
    raw.writeHead(200, [...headers, 'content-type', 'application/json', 'content-length', String(jsonBytes)]);
    // Node writes a text together with the headers. A text with as many bytes as characters is ASCII, which latin1 writes as it is.
    raw.end(json, jsonBytes === json.length ? 'latin1' : 'utf8');
    return;
  }
  raw.writeHead(200, [...headers, ...binaryHeaders(jsonBytes, binary)]);
  // Node holds these writes back until the end of this turn of the event loop, and sends them together.
  raw.write(json);
  for (const piece of binary) raw.write(piece);
  raw.end();
}

function binaryHeaders(jsonBytes: number, binary: readonly { readonly byteLength: number }[]): string[] {
  const bytes = binary.reduce((sum, { byteLength }) => sum + byteLength, jsonBytes);
  const type = ['content-type', 'application/octet-stream', 'content-length', String(bytes)];
  return [...type, 'inference-header-content-length', String(jsonBytes)];
}

async function sendPieces(
  raw: ServerResponse,
  { json, binary }: InferenceResult['response'],
  headers: readonly string[],
): Promise<void> {
  const texts = typeof json === 'string' ? [json].values() : json;
  if (binary.length === 0) {
    // The length of the body is not known before the last piece.
    raw.writeHead(200, [...headers, 'content-type', 'application/json']);
    for (let text = await nextText(texts); text !== undefined; text = await nextText(texts)) {
      if (!(await written(raw, text))) return;
    }
  } else {
    // The length of the JSON comes before it.
    const parts: Buffer[] = [];
    for (let text = await nextText(texts); text !== undefined; text = await nextText(texts))
      parts.push(Buffer.from(text));
    const jsonBytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
    raw.writeHead(200, [...headers, ...binaryHeaders(jsonBytes, binary)]);
    for (const part of [...parts, ...binary]) {
      if ('open' in part) {
        if (!(await streamed(raw, part))) return;
        continue;
      }
      for (let from = 0; from < part.byteLength; from += WRITE_BYTES) {
        if (!(await written(raw, part.subarray(from, from + WRITE_BYTES)))) return;
      }
    }
  }
  raw.end();
}

/** The next text of some length, which is written in slices; undefined at the end. */
function nextText(texts: Iterator<string>): string | undefined | Promise<string | undefined> {
  return slices.run(textSteps(texts));
}

function* textSteps(texts: Iterator<string>): Steps<string | undefined> {
  let text = '';
  while (text.length < WRITE_BYTES) {
    const next = texts.next();
    if (next.done === true) return text === '' ? undefined : text;
    text += next.value;
    yield;
  }
  return text;
}

/** Writes bytes as they are read. False if the caller has gone. If they cannot be read, the error handler ends the connection. */
async function streamed(raw: ServerResponse, part: StreamedBytes): Promise<boolean> {
  for await (const bytes of await part.open()) if (!(await written(raw, bytes))) return false;
  return true;
}

/** Writes a part, and waits until the caller has taken what was written. False if the caller has gone. */
async function written(raw: ServerResponse, part: string | Uint8Array): Promise<boolean> {
  if (raw.destroyed) return false;
  if (raw.write(part)) return true;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      raw.off('drain', end);
      raw.off('close', end);
      resolve();
    };
    raw.on('drain', end);
    raw.on('close', end);
  });
  return !raw.destroyed;
}
