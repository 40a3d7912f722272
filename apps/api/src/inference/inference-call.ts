import type { FastifyRequest } from 'fastify';
import type { RequestBudget } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { Submitter } from '@sconce/queue';
import type { ReserveBytes } from '@sconce/tensor';
import type { InferMessage } from '../grpc/codec/infer-message.ts';
import { holdOf } from '../http/request-hold.ts';
import { keyBudgetOf, ownerOf, submitterOf } from '../access/install-access.ts';

/** A request whose caller waits, before its body is decoded. */
export interface OnlineCall {
  /** The bytes of the request: its body, or its message. */
  readonly body: Uint8Array;
  /** `Inference-Header-Content-Length`: length of the JSON in front of the tensors; 0 for a raw binary request. */
  readonly headerLength?: number | undefined;
  /** The request as gRPC has it. Its tensors are views of `body`. */
  readonly message?: InferMessage;
  /** Time after which the caller does not wait any more, ms from now. */
  readonly maxWaitMs?: number | undefined;
  /** Whose request it is: requests of one owner do not delay those of another. Undefined if callers need no key. */
  readonly owner?: string | undefined;
  /** What the caller's key allows. */
  readonly keyBudget?: RequestBudget | undefined;
  /** Holds the bytes of tensors that are made of a large body. Undefined for small bodies. */
  readonly reserve?: ReserveBytes | undefined;
}

/** An infer or job request of HTTP before its body is decoded. */
export interface InferenceCall extends OnlineCall {
  /** Path and query of the request. */
  readonly url: string;
  readonly idempotencyKey?: string;
  /** Whose unfinished jobs it counts with, if the key of the caller limits them. */
  readonly submitter?: Submitter;
}

const MAX_IDEMPOTENCY_KEY_LENGTH = 255;

/** Reads the headers of an infer or job request. @throws SconceError `invalid_request` that names the header. */
export function readInferenceCall(request: FastifyRequest): InferenceCall {
  const { body, headers, url } = request;
  const hold = holdOf(request);
  return {
    url,
    body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
    headerLength: readHeaderLength(headers['inference-header-content-length']),
    idempotencyKey: readIdempotencyKey(headers['idempotency-key']),
    submitter: submitterOf(request),
    owner: ownerOf(request),
    keyBudget: keyBudgetOf(request),
    reserve: hold === undefined ? undefined : (bytes) => hold.add(bytes),
  };
}

/** Whether the caller prefers a job to waiting (RFC 7240). */
export function prefersAsync(request: FastifyRequest): boolean {
  const { prefer } = request.headers;
  if (prefer === undefined) return false;
  const preferences = [prefer].flat().join(',').split(/[,;]/);
  return preferences.some((preference) => preference.trim().toLowerCase() === 'respond-async');
}

/** The `Idempotency-Key` header, checked. */
export function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && header.length > 0 && header.length <= MAX_IDEMPOTENCY_KEY_LENGTH) return header;
  throw new SconceError(
    'invalid_request',
    `Idempotency-Key must be given once and hold 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} characters.`,
    { details: { param: 'Idempotency-Key' } },
  );
}

function readHeaderLength(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^\d{1,15}$/.test(header.trim())) return Number(header);
  throw new SconceError(
    'invalid_request',
    `Inference-Header-Content-Length must be the length in bytes of the JSON in the body, not "${String(header)}".`,
    { details: { param: 'Inference-Header-Content-Length' } },
  );
}
