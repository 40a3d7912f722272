import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { MODEL_VERSION_SCHEMA, V1_ERROR_SCHEMA } from './schemas.ts';

export function DocumentPush(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Upload a model version',
      description:
        'The body is the artifact itself, streamed. Poll the version until its status is `ready` or `failed`.',
    }),
    ApiConsumes('application/octet-stream'),
    ApiBody({ schema: { type: 'string', format: 'binary' } }),
    ApiQuery({ name: 'pool', required: false, description: 'The workers that serve it; default `default`' }),
    ApiResponse({ status: 202, description: 'Stored; it is being examined', schema: MODEL_VERSION_SCHEMA }),
    failure(409, 'The version exists; versions are immutable'),
    failure(413, 'The artifact is too large'),
    failure(422, 'Not a model file'),
  );
}

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
