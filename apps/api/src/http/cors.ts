import type { FastifyInstance } from 'fastify';
import { SconceError } from '@sconce/errors';

/** Headers of answers that pages may read, besides those that they always may. */
const EXPOSED = [
  'allow',
  'content-disposition',
  'inference-header-content-length',
  'location',
  'preference-applied',
  'retry-after',
  'server-timing',
  'traceparent',
  'warning',
].join(', ');

/** How long a browser remembers what a page may do, seconds. */
const MAX_AGE_SECONDS = '600';

/**
 * Lets pages of these origins call the server from a browser (CORS). `*` is any origin. Callers send their key in a header, never in a cookie,
 * so no page acts for its visitor. To be installed before the check of keys: a browser asks without one.
 * @throws SconceError `invalid_request` for an origin that no browser would send.
 */
export function installCors(fastify: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  for (const origin of origins) checkOrigin(origin);
  const allowed = new Set(origins);
  const isAny = allowed.has('*');
  fastify.addHook('onRequest', (request, reply, done) => {
    const { origin, 'access-control-request-method': method } = request.headers;
    // The answer depends on it also when it is absent or not allowed.
    if (!isAny) reply.header('vary', 'Origin');
    if (origin === undefined || !(isAny || allowed.has(origin))) {
      done();
      return;
    }
    // On Node's response: some answers are written to it directly.
    const { raw } = reply;
    raw.setHeader('access-control-allow-origin', isAny ? '*' : origin);
    raw.setHeader('access-control-expose-headers', EXPOSED);
    if (request.method !== 'OPTIONS' || method === undefined) {
      done();
      return;
    }
    void reply
      .status(204)
      .header('access-control-allow-methods', 'GET, HEAD, POST, PUT, PATCH, DELETE')
      .header('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '')
      .header('access-control-max-age', MAX_AGE_SECONDS)
      .send();
  });
}

function checkOrigin(origin: string): void {
  if (origin === '*' || (!origin.includes('*') && URL.canParse(origin) && new URL(origin).origin === origin)) return;
  throw new SconceError(
    'invalid_request',
    `SCONCE_CORS_ORIGINS: "${origin}" is no origin; expected a scheme and a host, such as https://app.example.com, or *.`,
  );
}
