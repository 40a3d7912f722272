import type { FastifyReply } from 'fastify';
import type { OipBody } from '@sconce/tensor';
import type { InferenceResult } from './prepared-inference.ts';

/** Sends an infer answer: the body of the protocol, and the header `Server-Timing`. */
export function sendResult(reply: FastifyReply, { response, timing }: InferenceResult): void {
  const { queueMs, batchMs, runMs, batchRows } = timing;
  reply.header(
    'server-timing',
    `queue;dur=${queueMs}, batch;dur=${batchMs};desc="${batchRows} rows", run;dur=${runMs}`,
  );
  void reply.status(200);
  sendEncoded(reply, response);
}

function sendEncoded(reply: FastifyReply, response: OipBody): void {
  reply.header('content-type', response.contentType);
  if (response.headerLength !== undefined) {
    reply.header('inference-header-content-length', String(response.headerLength));
  }
  const { body } = response;
  void reply.send(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
}
