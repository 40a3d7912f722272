import * as z from 'zod';
import { protocolErrorSchema } from '../errors/error-bodies.ts';
import { liveSchema, poolBacklogSchema } from '../server/server.ts';
import { traceSchema } from '../traces/trace.ts';
import { contentOf, failures, json } from './responses.ts';
import type { Route } from './route.ts';

const tag = 'Operations';

/** Routes for operators. */
export const OPERATIONS_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/v1/traces/{id}',
    operationId: 'getTrace',
    tag: 'Traces',
    summary: 'Get the address of a trace',
    description:
      '`url` is the query API of the trace backend that `SCONCE_TRACE_URL` names: Jaeger’s, or Tempo’s. The server does not know whether ' +
      'the backend has the trace.',
    access: 'key',
    params: z.object({ id: z.string().describe('32 lower-case hexadecimal digits.') }),
    responses: {
      200: json('The address', traceSchema),
      ...failures({ 404: 'No trace backend is named to the server, or the id is not one of a trace.' }),
    },
  },
  {
    method: 'get',
    path: '/metrics',
    operationId: 'getMetrics',
    tag,
    summary: 'Get the metrics of this process',
    description: 'Prometheus text. The metrics port answers the same without a key.',
    access: 'admin',
    responses: { 200: contentOf('text/plain', 'Metrics'), ...failures({}) },
  },
  {
    method: 'get',
    path: '/docs',
    operationId: 'getDocumentPage',
    tag,
    summary: 'Show this document as a page',
    access: 'nothing',
    responses: { 200: contentOf('text/html', 'The page') },
  },
  {
    method: 'get',
    path: '/docs/{file}',
    operationId: 'getDocumentPageFile',
    tag,
    summary: 'Get a script, style or icon of the page',
    access: 'nothing',
    params: z.object({ file: z.string() }),
    responses: { 200: contentOf('*/*', 'The file'), 404: failures({ 404: true })[404] ?? { description: '' } },
  },
  {
    method: 'get',
    path: '/docs-json',
    operationId: 'getDocument',
    tag,
    summary: 'Get this document',
    access: 'nothing',
    responses: { 200: json('OpenAPI 3.1', z.record(z.string(), z.unknown())) },
  },
  {
    method: 'get',
    path: '/docs-yaml',
    operationId: 'getDocumentAsYaml',
    tag,
    summary: 'Get this document as YAML',
    description: 'The same text as `/docs-json`: JSON is YAML.',
    access: 'nothing',
    responses: { 200: contentOf('text/yaml', 'OpenAPI 3.1') },
  },
  {
    method: 'get',
    path: '/health/live',
    operationId: 'getLive',
    tag,
    summary: 'Whether the process runs',
    access: 'nothing',
    isOnMetricsPort: true,
    responses: { 200: json('It runs', liveSchema) },
  },
  {
    method: 'get',
    path: '/health/ready',
    operationId: 'getReady',
    tag,
    summary: 'Whether the process takes work',
    access: 'nothing',
    isOnMetricsPort: true,
    responses: {
      200: json('It does', z.object({ ready: z.boolean() })),
      503: json('It does not', z.object({ ready: z.boolean() })),
    },
  },
  {
    method: 'get',
    path: '/health/started',
    operationId: 'getStarted',
    tag,
    summary: 'Whether the process has been ready once',
    access: 'nothing',
    isOnMetricsPort: true,
    responses: {
      200: json('It has', z.object({ started: z.boolean() })),
      503: json('It has not', z.object({ started: z.boolean() })),
    },
  },
  {
    method: 'get',
    path: '/backlog/{pool}',
    operationId: 'getBacklog',
    tag,
    summary: 'Get the backlog of a pool',
    description: 'For scaling the workers of the pool, such as with KEDA.',
    access: 'nothing',
    isOnMetricsPort: true,
    params: z.object({ pool: z.string().describe('Name of the pool.').meta({ example: 'default' }) }),
    responses: {
      200: json('The backlog', poolBacklogSchema),
      404: json('This is no name of a pool', protocolErrorSchema),
      503: json('Redis does not answer', protocolErrorSchema),
    },
  },
];
