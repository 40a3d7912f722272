import * as z from 'zod';
import { inferRequestSchema, inferResponseSchema } from '../inference/infer.ts';
import { jobSchema } from '../jobs/job.ts';
import {
  loadRequestSchema,
  modelMetadataSchema,
  modelReadySchema,
  modelStatsListSchema,
  repositoryIndexRequestSchema,
  repositoryIndexSchema,
  tritonConfigSchema,
  unloadRequestSchema,
} from '../models/protocol-model.ts';
import { liveSchema, serverMetadataSchema, serverReadySchema } from '../server/server.ts';
import { INFER_EXAMPLES } from './examples.ts';
import { inferHeaders, modelParams, versionParams } from './parameters.ts';
import { bytesSchema, json, protocolFailures, type Failures } from './responses.ts';
import type { Route } from './route.ts';

const tag = 'Open Inference Protocol';

const NO_MODEL: Failures = { 404: 'There is no such model or version.', 503: true };

/** The same route for the default version and for a given one. */
function withVersions(
  route: Omit<Route, 'tag' | 'path' | 'params' | 'operationId'> & { readonly name: string; readonly suffix: string },
): Route[] {
  const { name, suffix, summary, ...rest } = route;
  return [
    {
      ...rest,
      tag,
      path: `/v2/models/{model}${suffix}`,
      operationId: name,
      summary: `${summary}: the default version`,
      params: modelParams,
    },
    {
      ...rest,
      tag,
      path: `/v2/models/{model}/versions/{version}${suffix}`,
      operationId: `${name}Version`,
      summary: `${summary}: one version`,
      params: versionParams,
    },
  ];
}

/** Routes of the Open Inference Protocol and its extensions. */
export const INFERENCE_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/v2',
    operationId: 'serverMetadata',
    tag,
    summary: 'The server and its extensions',
    access: 'key',
    responses: { 200: json('The server', serverMetadataSchema), ...protocolFailures({}) },
  },
  {
    method: 'get',
    path: '/v2/health/live',
    operationId: 'serverLive',
    tag,
    summary: 'Whether the process runs',
    access: 'nothing',
    responses: { 200: json('It runs', liveSchema) },
  },
  {
    method: 'get',
    path: '/v2/health/ready',
    operationId: 'serverReady',
    tag,
    summary: 'Whether the server takes requests',
    access: 'nothing',
    responses: {
      200: json('A request that is sent now can be accepted', serverReadySchema),
      503: json('Redis does not answer', serverReadySchema),
    },
  },
  ...withVersions({
    name: 'infer',
    suffix: '/infer',
    method: 'post',
    summary: 'Run one request',
    description:
      'Open Inference Protocol v2, as JSON or with the binary tensor extension: tensors follow the JSON, whose length is in ' +
      '`Inference-Header-Content-Length`. With `Prefer: respond-async` the answer is a job.',
    access: 'infer',
    headers: inferHeaders.extend({
      Prefer: z.string().optional().describe('`respond-async`: answer with a job instead of the outputs.'),
    }),
    body: {
      required: true,
      content: {
        'application/json': { schema: inferRequestSchema, examples: INFER_EXAMPLES },
        'application/octet-stream': { schema: bytesSchema },
      },
    },
    responses: {
      200: {
        description: 'The outputs',
        content: {
          'application/json': { schema: inferResponseSchema },
          'application/octet-stream': { schema: bytesSchema },
        },
        headers: {
          'Server-Timing': 'Where the time went: queue, batch, run.',
          'Inference-Header-Content-Length': 'Length of the JSON, bytes, when binary tensors follow it.',
        },
      },
      202: json('A job, because of `Prefer: respond-async`', jobSchema, {
        headers: { Location: 'Where the job is.', 'Preference-Applied': '`respond-async`', 'Retry-After': 'Seconds.' },
      }),
      ...protocolFailures({
        ...NO_MODEL,
        400: 'The request is wrong: the message names the input, what was expected and what came.',
        409: 'The request was cancelled.',
        413: true,
        415: true,
        422: 'The Idempotency-Key was used with another request, or its job was removed.',
        504: true,
      }),
    },
  }),
  ...withVersions({
    name: 'modelMetadata',
    suffix: '',
    method: 'get',
    summary: 'Inputs and outputs of a model',
    access: 'key',
    responses: { 200: json('The model', modelMetadataSchema), ...protocolFailures(NO_MODEL) },
  }),
  ...withVersions({
    name: 'modelReady',
    suffix: '/ready',
    method: 'get',
    summary: 'Whether a model takes requests',
    access: 'key',
    responses: {
      ...protocolFailures(NO_MODEL),
      200: json('It does', modelReadySchema),
      503: json('It does not', z.union([modelReadySchema, z.object({ error: z.string() })])),
    },
  }),
  ...withVersions({
    name: 'modelConfig',
    suffix: '/config',
    method: 'get',
    summary: 'A model in Triton’s form of a configuration',
    access: 'key',
    responses: { 200: json('The configuration', tritonConfigSchema), ...protocolFailures(NO_MODEL) },
  }),
  ...withVersions({
    name: 'modelStatistics',
    suffix: '/stats',
    method: 'get',
    summary: 'Totals of a model',
    access: 'key',
    responses: { 200: json('The totals', modelStatsListSchema), ...protocolFailures(NO_MODEL) },
  }),
  {
    method: 'get',
    path: '/v2/models/stats',
    operationId: 'statistics',
    tag,
    summary: 'Totals of all models',
    access: 'key',
    responses: { 200: json('The totals', modelStatsListSchema), ...protocolFailures({ 503: true }) },
  },
  {
    method: 'post',
    path: '/v2/repository/index',
    operationId: 'repositoryIndex',
    tag,
    summary: 'All versions of all models with their states',
    access: 'key',
    body: {
      required: false,
      content: {
        'application/json': {
          schema: repositoryIndexRequestSchema,
          examples: { ready: { summary: 'Only versions that are ready', value: { ready: true } } },
        },
      },
    },
    responses: {
      200: json('The index', repositoryIndexSchema),
      ...protocolFailures({ 400: true, 413: true, 415: true, 503: true }),
    },
  },
  {
    method: 'post',
    path: '/v2/repository/models/{model}/load',
    operationId: 'loadModel',
    tag,
    summary: 'Serve a model again',
    access: 'models',
    params: modelParams,
    body: {
      required: false,
      content: {
        'application/json': {
          schema: loadRequestSchema,
          examples: { load: { summary: 'Load', value: { parameters: {} } } },
        },
      },
    },
    responses: {
      200: { description: 'The model is served' },
      ...protocolFailures({
        400: true,
        404: 'There is no such model.',
        413: true,
        415: true,
        501: 'Loading with a config or files is not supported: push a version.',
        503: true,
      }),
    },
  },
  {
    method: 'post',
    path: '/v2/repository/models/{model}/unload',
    operationId: 'unloadModel',
    tag,
    summary: 'Stop serving a model',
    access: 'models',
    params: modelParams,
    body: {
      required: false,
      content: {
        'application/json': {
          schema: unloadRequestSchema,
          examples: { unload: { summary: 'Unload', value: { parameters: { unload_dependents: true } } } },
        },
      },
    },
    responses: {
      200: { description: 'The model is not served any more' },
      ...protocolFailures({ 400: true, 404: 'There is no such model.', 413: true, 415: true, 503: true }),
    },
  },
];
