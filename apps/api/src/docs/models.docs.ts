import { applyDecorators } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { MODEL_VERSION_SCHEMA, V1_ERROR_SCHEMA, type SchemaObject } from './schemas.ts';

const RAW: SchemaObject = { type: 'string', format: 'binary', description: 'The artifact itself' };
const FORM: SchemaObject = {
  type: 'object',
  description: 'Parts in this order, the artifact last',
  required: ['model'],
  properties: {
    config: {
      type: 'object',
      description: 'JSON, at most 256 KiB; `GET /v1/model-config.schema.json` is its schema',
    },
    cases: {
      type: 'string',
      format: 'binary',
      description: 'A safetensors file, at most 32 MiB: `k.in.i` and `k.out.j` of calls the model has to repeat',
    },
    model: RAW,
  },
};

/** A push: the artifact as the body, or a form with its config and cases. */
export function DocumentPush(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Upload a model version',
      description:
        'The artifact (TorchScript or ONNX) is streamed. It is compiled, proved and optimised then: poll the version until its status is `ready` or `failed`.',
      requestBody: {
        required: true,
        content: { 'application/octet-stream': { schema: RAW }, 'multipart/form-data': { schema: FORM } },
      },
    }),
    ApiQuery({ name: 'pool', required: false, description: 'The workers that serve it; default `default`' }),
    ApiResponse({ status: 202, description: 'Stored; it is being examined', schema: MODEL_VERSION_SCHEMA }),
    failure(400, 'The form, its config or its cases are wrong; `param` names the part or field'),
    failure(409, 'The version exists; versions are immutable'),
    failure(413, 'The artifact, config or cases are too large'),
    failure(422, 'Not a model file'),
  );
}

/** One version. */
export function DocumentVersion(summary: string): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary }),
    ApiResponse({ status: 200, schema: MODEL_VERSION_SCHEMA, description: 'The version' }),
    failure(404, 'No such model or version'),
  );
}

function failure(status: number, description: string): MethodDecorator {
  return ApiResponse({ status, description, schema: V1_ERROR_SCHEMA });
}
