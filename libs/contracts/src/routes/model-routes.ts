import * as z from 'zod';
import { modelConfigSchema } from '../models/model-config.ts';
import { modelVersionSchema } from '../models/model-version.ts';
import { modelListSchema, modelSchema, modelSettingsPatchSchema, poolSchema } from '../models/model.ts';
import { idempotencyHeaders, modelParams, versionParams } from './parameters.ts';
import { bytesSchema, failures, json } from './responses.ts';
import type { Route } from './route.ts';

const tag = 'Models';

const artifact = bytesSchema.describe('The artifact: a TorchScript archive or an ONNX file.');

const push = {
  method: 'put',
  tag,
  description:
    'The artifact is streamed into the store. Registration then compiles, proves, compares, optimises and measures it: ask for the ' +
    'version until its status is `ready` or `failed`.',
  access: 'models',
  query: z.object({ pool: poolSchema.optional().describe('The workers that serve it. Default: `default`.') }),
  body: {
    required: true,
    description: 'The artifact itself, or a form with its config and cases. The artifact is the last part of the form.',
    content: {
      'application/octet-stream': { schema: artifact },
      'multipart/form-data': {
        schema: z.object({
          config: modelConfigSchema
            .optional()
            .describe('JSON, at most 256 KiB. `GET /v1/model-config.schema.json` is its schema.'),
          cases: bytesSchema
            .optional()
            .describe(
              'A safetensors file, at most 32 MiB: `k.in.i` and `k.out.j` of calls that the model must repeat.',
            ),
          model: artifact,
        }),
      },
    },
  },
  responses: {
    202: json('The version is stored, and its registration is queued', modelVersionSchema, {
      headers: { Location: 'Where the version is.' },
    }),
    ...failures({
      400: 'The form, its config or its cases are wrong; `param` names the part or field.',
      409: 'The version exists. Versions never change.',
      413: 'The artifact, config or cases are too large.',
      415: true,
      422: 'The body is not a model file.',
      503: true,
    }),
  },
} as const satisfies Partial<Route>;

/** Routes of the model repository. */
export const MODEL_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/v1/models',
    operationId: 'listModels',
    tag,
    summary: 'List all versions of all models',
    access: 'key',
    responses: { 200: json('By name and version', modelListSchema), ...failures({ 503: true }) },
  },
  {
    method: 'get',
    path: '/v1/models/{model}',
    operationId: 'getModel',
    tag,
    summary: 'Get a model with its versions',
    access: 'key',
    params: modelParams,
    responses: {
      200: json('The model', modelSchema),
      ...failures({ 400: true, 404: 'There is no such model.', 503: true }),
    },
  },
  {
    method: 'patch',
    path: '/v1/models/{model}',
    operationId: 'updateModel',
    tag,
    summary: 'Choose the default version, load, unload or keep a model',
    description:
      'All given fields change in one step. A request in flight is answered by the version that it began with.',
    access: 'models',
    params: modelParams,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: modelSettingsPatchSchema,
          examples: {
            pin: { summary: 'Pin a version', value: { default_version: '1' } },
            follow: { summary: 'Follow the newest version', value: { default_version: 'latest' } },
            keep: { summary: 'Keep the model loaded', value: { loaded: true, keep_loaded: true } },
          },
        },
      },
    },
    responses: {
      200: json('The model as it is now', modelSchema),
      ...failures({
        400: true,
        404: 'There is no such model or version.',
        413: true,
        415: true,
        503: 'The version is not ready.',
      }),
    },
  },
  {
    method: 'get',
    path: '/v1/models/{model}/versions/{version}',
    operationId: 'getModelVersion',
    tag,
    summary: 'Get a version',
    access: 'key',
    params: versionParams,
    responses: {
      200: json('The version', modelVersionSchema),
      ...failures({ 400: true, 404: 'There is no such model or version.', 503: true }),
    },
  },
  {
    ...push,
    path: '/v1/models/{model}/versions/{version}',
    operationId: 'pushModelVersion',
    summary: 'Push a version with a given number',
    params: versionParams,
  },
  {
    ...push,
    method: 'post',
    path: '/v1/models/{model}/versions',
    operationId: 'pushModel',
    summary: 'Push a version with the next number',
    headers: idempotencyHeaders,
    responses: {
      ...push.responses,
      ...failures({
        422: 'The body is not a model file, or the Idempotency-Key was used with another, or its version was removed.',
      }),
    },
    params: modelParams,
  },
  {
    method: 'delete',
    path: '/v1/models/{model}/versions/{version}',
    operationId: 'removeModelVersion',
    tag,
    summary: 'Remove a version',
    description:
      'Refused while the version is the default, has jobs that have not ended, or had a request within the last 60 seconds.',
    access: 'models',
    params: versionParams,
    query: z.object({
      force: z.enum(['true', 'false']).optional().describe('Remove it although it is in use. Default: false.'),
    }),
    responses: {
      204: { description: 'The version is removed' },
      ...failures({
        400: true,
        404: 'There is no such model or version.',
        409: 'The version is in use.',
        413: true,
        415: true,
        503: true,
      }),
    },
  },
  {
    method: 'get',
    path: '/v1/model-config.schema.json',
    operationId: 'modelConfigSchema',
    tag,
    summary: 'Get the JSON Schema of a model’s config.json',
    access: 'key',
    responses: {
      200: {
        description: 'JSON Schema, draft 2020-12',
        content: { 'application/schema+json': { schema: z.record(z.string(), z.unknown()) } },
      },
      ...failures({}),
    },
  },
];
