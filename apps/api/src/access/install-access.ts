import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestBudget } from '@sconce/contracts';
import { ERROR_POLICY, SconceError } from '@sconce/errors';
import type { ApiKey } from '@sconce/keys';
import type { Submitter } from '@sconce/queue';
import type { Logger } from '@sconce/telemetry';
import { errorBody } from '../http/error-answer.ts';
import { requestTraceFields } from '../http/request-trace.ts';
import { meets, needOf } from './access-rules.ts';
import { KeyLimits } from './key-limits.ts';
import type { KeyRing } from './key-ring.ts';

const KEY = 'sconceKey';

/** `counted`: this request counts towards the limits of the key. */
type KeyedRequest = FastifyRequest & { [KEY]?: { readonly key: ApiKey; readonly counted: boolean } | undefined };

/**
 * Accepts a request if its key (`Authorization: Bearer …` or `X-API-Key`) has the scope and is within its limits. Without a key ring,
 * accepts every request. A request that changes models writes an audit line to the log, also when it is refused.
 */
export function installAccess(
  fastify: FastifyInstance,
  { ring, logger }: { readonly ring: KeyRing | undefined; readonly logger: Logger },
): void {
  const limits = new KeyLimits();
  fastify.decorateRequest(KEY);
  fastify.addHook('onRequest', (request, reply, done) => {
    const refusal = ring === undefined ? undefined : admit(request, ring, limits);
    if (refusal === undefined) done();
    else refuse(request, reply, refusal);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const key = (request as KeyedRequest)[KEY]?.key;
    if (isAct(request)) {
      const { method, url } = request;
      const caller = key?.id ?? (ring === undefined ? 'anyone' : 'unknown');
      const about = { act: method, target: url, key: caller, status: reply.statusCode };
      logger.info({ audit: true, ...about, ...requestTraceFields(request) }, 'audit');
    }
    release(request, limits);
    done();
  });
  fastify.addHook('onRequestAbort', (request, done) => {
    release(request, limits);
    done();
  });
  fastify.addHook('onClose', (_instance, done) => {
    ring?.close();
    done();
  });
}

/** What the caller's key allows a request to need, if it says so. */
export function keyBudgetOf(request: FastifyRequest): RequestBudget | undefined {
  return (request as KeyedRequest)[KEY]?.key.budget;
}

/** Whose unfinished jobs and batches this request counts with, if its key limits them. */
export function submitterOf(request: FastifyRequest): Submitter | undefined {
  const key = (request as KeyedRequest)[KEY]?.key;
  return key?.max_backlog === undefined ? undefined : { id: key.id, maxUnfinished: key.max_backlog };
}

/** Whose request this is: the owner of its key, else the key itself. Undefined if callers need no key. */
export function ownerOf(request: FastifyRequest): string | undefined {
  const key = (request as KeyedRequest)[KEY]?.key;
  return key?.owner ?? key?.id;
}

/** The owner whose jobs, files and batches this request may use. Undefined if it may use all: the key is an admin's, or callers need no key. */
export function onlyOwnerOf(request: FastifyRequest): string | undefined {
  const key = (request as KeyedRequest)[KEY]?.key;
  return key?.scopes.includes('admin') === true ? undefined : ownerOf(request);
}

function admit(request: FastifyRequest, ring: KeyRing, limits: KeyLimits): SconceError | undefined {
  const need = needOf(request.method, routeOf(request));
  if (need === 'nothing') return undefined;
  const secret = secretOf(request);
  const key = secret === undefined ? undefined : ring.find(secret);
  if (key === undefined) {
    const message =
      secret === undefined
        ? 'This server requires an API key: send it as "Authorization: Bearer KEY".'
        : 'The API key is unknown or has expired: ask the operator for another one.';
    return new SconceError('unauthenticated', message);
  }
  if (!meets(key.scopes, need)) {
    (request as KeyedRequest)[KEY] = { key, counted: false };
    const message = `Key ${key.id} may not do this: it needs the scope "${need}" and has ${key.scopes.join(', ')}.`;
    return new SconceError('forbidden', message);
  }
  const refused = limits.begin(key);
  (request as KeyedRequest)[KEY] = { key, counted: refused === undefined };
  if (refused === undefined) return undefined;
  const { retryAfterSeconds } = refused;
  return new SconceError('rate_limited', `Too many requests: ${refused.refused}.`, { details: { retryAfterSeconds } });
}

function refuse(request: FastifyRequest, reply: FastifyReply, error: SconceError): void {
  const { http } = ERROR_POLICY[error.code];
  const retryAfter = error.details['retryAfterSeconds'];
  if (typeof retryAfter === 'number') reply.header('retry-after', String(retryAfter));
  if (http === 401) reply.header('www-authenticate', 'Bearer');
  void reply
    .status(http)
    .header('content-type', 'application/json; charset=utf-8')
    .send(errorBody(request.url, error, http));
}

/** Ends a request for the limits of its key, once. */
function release(request: FastifyRequest, limits: KeyLimits): void {
  const keyed = request as KeyedRequest;
  if (keyed[KEY]?.counted === true) limits.end(keyed[KEY].key);
  keyed[KEY] = undefined;
}

function isAct(request: FastifyRequest): boolean {
  return needOf(request.method, routeOf(request)) === 'models';
}

/** The declared route, or the path if there is no such route: a key is required before the answer 404. */
function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? request.url.split('?')[0] ?? '';
}

function secretOf({ headers }: FastifyRequest): string | undefined {
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  const own = headers['x-api-key'];
  return bearer ?? (typeof own === 'string' ? own : undefined);
}
