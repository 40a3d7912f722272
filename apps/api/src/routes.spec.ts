import { Writable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { beforeAll, expect, it } from 'vitest';
import { ROUTES, type Route } from '@sconce/contracts/routes';
import { BatchProducer, InferenceProducer } from '@sconce/queue';
import { createLogger, startTelemetry } from '@sconce/telemetry';
import { atEndOfFile, temporaryFolder, testRedis } from '@sconce/testing';
import { needOf } from './access/access-rules.ts';
import { readConfig } from './config.ts';
import { QUERY_PARAMETERS, WITHOUT_BODY } from './http/request-parts.ts';
import { createApi } from './server.ts';

// The route table of @sconce/contracts, from which the OpenAPI document is made, compared with the routes that the API has.

const table = ROUTES.filter(({ isOnMetricsPort }) => isOnMetricsPort !== true);
/** As Fastify writes it: `/v1/batches/:id`. */
const pathOf = ({ path }: Route): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/** As `installRequestParts` names it. */
const nameOf = (route: Route): string => `${route.method.toUpperCase()} ${pathOf(route)}`;
/** Its pages may call the API. */
const ORIGIN = 'https://app.example';
/** Its query is a request, which the service checks. */
const OWN_QUERY = 'POST /v1/batches';

let served: string[] = [];
let fastify: FastifyInstance;

beforeAll(async () => {
  const { url, prefix } = testRedis();
  const config = readConfig({
    SCONCE_REDIS_URL: url,
    SCONCE_KEY_PREFIX: prefix,
    SCONCE_DATA: temporaryFolder('routes'),
    SCONCE_CORS_ORIGINS: `${ORIGIN}, https://other.example`,
  });
  const logger = createLogger({ service: 'api', level: 'warn', destination: new Writable() });
  const { traces } = config.telemetry;
  const telemetry = await startTelemetry({ service: 'api', version: '0', instanceId: 'routes', traces, logger });
  const app = await createApi({ config, logger, telemetry });
  await app.init();
  atEndOfFile(async () => {
    await app.close();
    await Promise.all([app.get(InferenceProducer).close(), app.get(BatchProducer).close()]);
    await telemetry.shutdown();
  });
  await app.getHttpAdapter().getInstance().ready();
  fastify = app.getHttpAdapter().getInstance();
  served = routesOf(app.getHttpAdapter().getInstance().printRoutes({ commonPrefix: false }));
});

/** The routes of Fastify's drawing of its tree: each line is a part of a path and the methods that end there. */
function routesOf(drawing: string): string[] {
  const parents: string[] = [];
  return drawing.split('\n').flatMap((line) => {
    const [, indent = '', part, methods] = /^([│ ]*)[├└]── (\S*?)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? [];
    if (part === undefined) {
      if (line.trim() === '') return [];
      throw new Error(`Fastify draws its routes in another way: ${line}`);
    }
    const depth = indent.length / 4;
    const path = `${parents[depth - 1] ?? ''}${part}`;
    parents[depth] = path;
    const named = (methods ?? '').split(', ').filter((method) => method !== '' && method !== 'HEAD');
    return named.map((method) => `${method.toLowerCase()} ${path}`);
  });
}

it('every route of the API is in the table, and the reverse', () => {
  expect(served.toSorted()).toEqual(table.map((route) => `${route.method} ${pathOf(route)}`).toSorted());
});

it.each(table.map((route) => [route.method.toUpperCase(), pathOf(route), route.access]))(
  '%s %s needs: %s',
  (method, path, access) => {
    expect(needOf(method, path)).toBe(access);
  },
);

it('the query parameters that routes take are those of the table', () => {
  const expected = table
    .filter((route) => route.query !== undefined && nameOf(route) !== OWN_QUERY)
    .map((route) => [nameOf(route), Object.keys(route.query?.shape ?? {})]);
  expect(Object.fromEntries(expected)).toEqual(QUERY_PARAMETERS);
});

it('the routes that take no body are those of the table', () => {
  const expected = table.filter(({ method, body }) => method !== 'get' && body === undefined).map(nameOf);
  expect([...WITHOUT_BODY].toSorted()).toEqual(expected.toSorted());
});

/** What a request to the route is answered, whatever its parameters name. */
async function answerOf(route: Route, given: { query?: string; headers?: Record<string, string>; body?: string }) {
  return fastify.inject({
    method: route.method.toUpperCase() as 'GET',
    url: `${route.path.replaceAll(/\{\w+\}/g, '1')}${given.query ?? ''}`,
    headers: given.headers ?? {},
    ...(given.body !== undefined && { payload: given.body }),
  });
}

// A stream of events and the metrics write to the socket themselves.
const asked = table.filter(({ path }) => path !== '/metrics' && !path.endsWith('/events'));

it.each(asked.map((route) => [nameOf(route), route] as const))(
  '%s ignores no query parameter silently',
  async (_name, route) => {
    const { headers, statusCode, body } = await answerOf(route, { query: '?unheard_of=1' });
    if (!route.path.startsWith('/v1/')) expect(headers['warning']).toContain('query not used: unheard_of');
    else if (nameOf(route) === OWN_QUERY) expect(statusCode).toBe(400);
    else
      expect({ statusCode, body }).toEqual({ statusCode: 400, body: expect.stringContaining('unheard_of') as string });
  },
);

it.each(asked.map((route) => [nameOf(route), route] as const))(
  '%s refuses a condition, and reports other headers',
  async (_name, route) => {
    const refused = await answerOf(route, { headers: { 'if-match': '"1"' } });
    expect(refused).toMatchObject({ statusCode: 400, body: expect.stringContaining('if-match') as string });
    const { headers } = await answerOf(route, {
      headers: { range: 'bytes=0-1', prefer: 'handling=strict', 'idempotency-key': 'k' },
    });
    expect(headers['warning']).toContain('header not used: range');
    expect(headers['warning']).toContain('header not used: prefer');
    expect(String(headers['warning']).includes('idempotency-key')).toBe(route.method !== 'post');
  },
);

it.each(asked.filter((route) => WITHOUT_BODY.has(nameOf(route))).map((route) => [nameOf(route), route] as const))(
  '%s takes no fields',
  async (_name, route) => {
    const headers = { 'content-type': 'application/json' };
    const { statusCode, body } = await answerOf(route, { body: '{"unheard_of": 1}', headers });
    expect({ statusCode, body }).toEqual({ statusCode: 400, body: expect.stringContaining('unheard_of') as string });
  },
);

it.each(asked.map((route) => [nameOf(route), route] as const))(
  '%s can be called by pages that may',
  async (_name, route) => {
    const preflight = await fastify.inject({
      method: 'OPTIONS',
      url: route.path.replaceAll(/\{\w+\}/g, '1'),
      headers: {
        origin: ORIGIN,
        'access-control-request-method': route.method.toUpperCase(),
        'access-control-request-headers': 'authorization, x-any',
      },
    });
    expect(preflight.statusCode).toBe(204);
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': expect.stringContaining(route.method.toUpperCase()) as string,
      'access-control-allow-headers': 'authorization, x-any',
    });
    // Also when it fails: the page reads why.
    const { headers } = await answerOf(route, { headers: { origin: ORIGIN } });
    expect(headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-expose-headers': expect.stringContaining('inference-header-content-length') as string,
    });
    const other = await answerOf(route, { headers: { origin: 'https://evil.example' } });
    expect(other.headers).not.toHaveProperty('access-control-allow-origin');
  },
);
