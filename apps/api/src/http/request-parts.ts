import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { fileListQuerySchema, batchListQuerySchema, jobListQuerySchema } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import * as z from 'zod';
import { headerRules, type HeaderRule } from './header-rules.ts';
import { invalidRequest } from './invalid-request.ts';
import { readIdempotencyKey } from '../inference/inference-call.ts';
import { parseJsonBody } from './json-body.ts';
import { unusedWarning, warn } from './warning.ts';

/** The query parameters of the routes that have some. POST /v1/batches checks its own. `routes.spec.ts` compares this with the table of routes. */
export const QUERY_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  'GET /v1/jobs': Object.keys(jobListQuerySchema.shape),
  'GET /v1/files': Object.keys(fileListQuerySchema.shape),
  'GET /v1/batches': Object.keys(batchListQuerySchema.shape),
  'PUT /v1/models/:model/versions/:version': ['pool'],
  'POST /v1/models/:model/versions': ['pool'],
  'DELETE /v1/models/:model/versions/:version': ['force'],
};

/** Routes that take no body, but may get one. `routes.spec.ts` compares this with the table of routes. */
export const WITHOUT_BODY: ReadonlySet<string> = new Set([
  'DELETE /v1/jobs/:id',
  'DELETE /v1/files/:id',
  'DELETE /v1/models/:model/versions/:version',
  'POST /v1/batches/:id/cancel',
  'POST /v1/batches/:id/retry',
]);

const OWN_QUERY = 'POST /v1/batches';
const NO_FIELDS = z.strictObject({});

/**
 * Adds to each route that is made from now on the check that nothing of a request is ignored silently (ADR 53): query parameters, headers
 * and bodies that the route does not take. What changes the meaning of a request is refused, the rest is named in the header `Warning`.
 */
export function installRequestParts(fastify: FastifyInstance): void {
  fastify.addHook('onRoute', (route) => {
    const [method = ''] = [route.method].flat();
    const name = `${method === 'HEAD' ? 'GET' : method} ${route.url}`;
    // Routes with a wildcard refuse every request.
    if (route.url.endsWith('*') && route.url.startsWith('/v1/')) return;
    const check = checkOf(name, route.url);
    route.onRequest = [route.onRequest ?? []]
      .flat()
      .concat((request, reply, done) => done(attempt(() => check(request, reply))));
    if (WITHOUT_BODY.has(name)) refuseBodies(route);
  });
}

function refuseBodies(route: RouteOptions): void {
  route.preHandler = [route.preHandler ?? []].flat().concat((request, _reply, done) => {
    done(attempt(() => void parseJsonBody(request.body, NO_FIELDS)));
  });
}

/** The error that is thrown, if any. */
function attempt(act: () => void): SconceError | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof SconceError) return error;
    throw error;
  }
}

function checkOf(name: string, url: string): (request: FastifyRequest, reply: FastifyReply) => void {
  const known = QUERY_PARAMETERS[name] ?? [];
  const isOurs = url.startsWith('/v1/');
  const rules = headerRules(name);
  const isPost = name.startsWith('POST ');
  return (request, reply) => {
    if (request.url.includes('?') && name !== OWN_QUERY) checkQuery(request, reply, { known, isOurs });
    checkHeaders(request, reply, rules);
    // On routes that do the same when they are asked again, the key has nothing more to do.
    if (isPost) readIdempotencyKey(request.headers['idempotency-key']);
  };
}

/** Refuses unknown parameters of our own routes; the routes of other people's protocols only name them. */
function checkQuery(
  request: FastifyRequest,
  reply: FastifyReply,
  { known, isOurs }: { readonly known: readonly string[]; readonly isOurs: boolean },
): void {
  const unknown = Object.keys(request.query as object).filter((name) => !known.includes(name));
  const [param] = unknown;
  if (param === undefined) return;
  if (isOurs) {
    throw invalidRequest(
      param,
      `There is no query parameter "${param.slice(0, 64)}"; expected ${known.join(', ') || 'none'}.`,
    );
  }
  warn(reply, unusedWarning('query', unknown));
}

function checkHeaders({ headers }: FastifyRequest, reply: FastifyReply, rules: readonly HeaderRule[]): void {
  for (const { name, refusal, isFine } of rules) {
    const value = headers[name];
    if (value === undefined || isFine?.(String(value)) === true) continue;
    if (refusal !== undefined) throw invalidRequest(name, `Header "${name}" is not supported: ${refusal}.`);
    warn(reply, unusedWarning('header', [name]));
  }
}
