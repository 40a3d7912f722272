import type { FastifyRequest } from 'fastify';
import type { UploadKey } from '@sconce/queue';
import { ownerOf } from '../access/install-access.ts';
import { readIdempotencyKey } from '../inference/inference-call.ts';

/** The idempotency key of a request whose body is not known yet; undefined if it has none. @throws SconceError `invalid_request`. */
export function uploadKeyOf(request: FastifyRequest, scope: string): UploadKey | undefined {
  const key = readIdempotencyKey(request.headers['idempotency-key']);
  return key === undefined ? undefined : { owner: ownerOf(request), key, scope };
}
