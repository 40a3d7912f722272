import type { FastifyReply } from 'fastify';
import { headersOf } from '../http/draining.ts';
import type { InferenceResult } from './prepared-inference.ts';

/**
 * Sends an infer answer: the body of the protocol, and the header `Server-Timing`. It writes to Node's response itself, because Fastify's
 * `send` costs a fifth of a small request (ADR 28). So no `onSend` hook sees the answer.
 */
export function sendResult(reply: FastifyReply, { response, timing }: InferenceResult): void {
  const { json, binary } = response;
  const { queueMs, batchMs, runMs, batchRows } = timing;
  const jsonBytes = Buffer.byteLength(json);
  const headers = headersOf(reply, [
    'server-timing',
    `queue;dur=${queueMs}, batch;dur=${batchMs};desc="${batchRows} rows", run;dur=${runMs}`,
  ]);
  reply.hijack();
  const { raw } = reply;
  if (binary.length === 0) {
    raw.writeHead(200, [...headers, 'content-type', 'application/json', 'content-length', String(jsonBytes)]);
    // Node writes a text together with the headers. A text with as many bytes as characters is ASCII, which latin1 writes as it is.
    raw.end(json, jsonBytes === json.length ? 'latin1' : 'utf8');
    return;
  }
  const bytes = binary.reduce((sum, { byteLength }) => sum + byteLength, jsonBytes);
  headers.push('content-type', 'application/octet-stream', 'content-length', String(bytes));
  raw.writeHead(200, [...headers, 'inference-header-content-length', String(jsonBytes)]);
  // Node holds these writes back until the end of this turn of the event loop, and sends them together.
  raw.write(json);
  for (const piece of binary) raw.write(piece);
  raw.end();
}
