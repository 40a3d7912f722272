import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestBudget } from '@sconce/contracts';
import { ERROR_POLICY, SconceError } from '@sconce/errors';
import type { Submitter } from '@sconce/queue';
import type { Logger } from '@sconce/telemetry';
import { errorBody } from '../http/error-answer.ts';
import { requestTraceFields } from '../http/request-trace.ts';
import { needOf } from './access-rules.ts';
import { Access, budgetOf, ownerOfUse, secretFrom, type KeyUse } from './access.ts';
import type { KeyRing } from './key-ring.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** The keys of callers and their limits, for other protocols of this process. */
    access: Access;
  }
}

const KEY = 'sconceKey';

type KeyedRequest = FastifyRequest & { [KEY]?: KeyUse | undefined };

/**
 * Accepts a request if its key (`Authorization: Bearer …` or `X-API-Key`) has the scope and is within its limits. Without a key ring,
 * accepts every request. A request that changes models writes an audit line to the log, also when it is refused.
 */
export function installAccess(
  fastify: FastifyInstance,
  given: { readonly ring: KeyRing | undefined; readonly logger: Logger },
): void {
  const access = new Access(given);
  fastify.decorate('access', access);
  fastify.decorateRequest(KEY);
  fastify.addHook('onRequest', (request, reply, done) => {
    const refusal = access.hasKeys ? admit(request, access) : undefined;
    if (refusal === undefined) done();
    else refuse(request, reply, refusal);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    if (isAct(request)) {
      const { method: act, url: target } = request;
      const about = { act, target, status: reply.statusCode, trace: requestTraceFields(request) };
      access.audit(about, (request as KeyedRequest)[KEY]);
    }
    release(request, access);
    done();
  });
  fastify.addHook('onRequestAbort', (request, done) => {
    release(request, access);
    done();
  });
  fastify.addHook('onClose', (_instance, done) => {
    access.close();
    done();
  });
}

/** What the caller's key allows a request to need, if it says so. */
export function keyBudgetOf(request: FastifyRequest): RequestBudget | undefined {
  return budgetOf((request as KeyedRequest)[KEY]);
}

/** Whose unfinished jobs and batches this request counts with, if its key limits them. */
export function submitterOf(request: FastifyRequest): Submitter | undefined {
  const key = (request as KeyedRequest)[KEY]?.key;
  return key?.max_backlog === undefined ? undefined : { id: key.id, maxUnfinished: key.max_backlog };
}

/** Whose request this is: the owner of its key, else the key itself. Undefined if callers need no key. */
export function ownerOf(request: FastifyRequest): string | undefined {
  return ownerOfUse((request as KeyedRequest)[KEY]);
}

/** The owner whose jobs, files and batches this request may use. Undefined if it may use all: the key is an admin's, or callers need no key. */
export function onlyOwnerOf(request: FastifyRequest): string | undefined {
  const key = (request as KeyedRequest)[KEY]?.key;
  return key?.scopes.includes('admin') === true ? undefined : ownerOf(request);
}

function admit(request: FastifyRequest, access: Access): SconceError | undefined {
  try {
    const use = access.admit(needOf(request.method, routeOf(request)), secretOf(request));
    (request as KeyedRequest)[KEY] = use;
    return use?.refusal;
  } catch (error) {
    if (error instanceof SconceError) return error;
    throw error;
  }
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
function release(request: FastifyRequest, access: Access): void {
  const keyed = request as KeyedRequest;
  access.release(keyed[KEY]);
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
  return secretFrom(headers.authorization, headers['x-api-key']);
}
