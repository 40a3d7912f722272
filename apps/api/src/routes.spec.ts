import { Writable } from 'node:stream';
import { beforeAll, expect, it } from 'vitest';
import { ROUTES, type Route } from '@sconce/contracts/routes';
import { BatchProducer, InferenceProducer } from '@sconce/queue';
import { createLogger, startTelemetry } from '@sconce/telemetry';
import { atEndOfFile, temporaryFolder, testRedis } from '@sconce/testing';
import { needOf } from './access/access-rules.ts';
import { readConfig } from './config.ts';
import { createApi } from './server.ts';

// The route table of @sconce/contracts, from which the OpenAPI document is made, compared with the routes that the API has.

const table = ROUTES.filter(({ isOnMetricsPort }) => isOnMetricsPort !== true);
/** As Fastify writes it: `/v1/batches/:id`. */
const pathOf = ({ path }: Route): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

let served: string[] = [];

beforeAll(async () => {
  const { url, prefix } = testRedis();
  const config = readConfig({
    SCONCE_REDIS_URL: url,
    SCONCE_KEY_PREFIX: prefix,
    SCONCE_DATA: temporaryFolder('routes'),
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
