import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiQuery, ApiResponse, type OpenAPIObject } from '@nestjs/swagger';
import { MODEL_VERSION_SCHEMA, V1_ERROR_SCHEMA } from './schemas.ts';

type SchemaObject = Exclude<
  NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string],
  { readonly $ref: string }
>;

const STATE: NonNullable<SchemaObject['properties']> = {
  default_version: {
    type: 'string',
    pattern: '^(latest|[1-9][0-9]{0,9})$',
    description:
      'What requests without a version get: `latest` (the highest that is ready), or a version that is ready',
  },
  loaded: { type: 'boolean', description: 'Whether the model is served' },
  keep_loaded: { type: 'boolean', description: 'Whether threads that hold the model keep it when others need room' },
};

const LISTED_VERSION: SchemaObject = {
  ...MODEL_VERSION_SCHEMA,
  properties: {
    ...MODEL_VERSION_SCHEMA.properties,
    serving: { type: 'boolean', description: 'Whether requests without a version get it' },
    disk_bytes: { type: 'integer', description: 'All its files' },
    quarantined: {
      type: 'string',
      description: 'Why it is not run any more: it made workers hang. `loaded: true` for the model lets it run again',
    },
  },
};

const MODEL: SchemaObject = {
  type: 'object',
  required: ['name', 'default_version', 'loaded', 'keep_loaded', 'serving', 'disk_bytes', 'versions'],
  properties: {
    name: { type: 'string' },
    ...STATE,
    serving: {
      type: 'string',
      nullable: true,
      description: 'The version that requests without a version get now; null where they are refused',
    },
    disk_bytes: { type: 'integer', description: 'All files of all versions' },
    versions: { type: 'array', items: LISTED_VERSION },
  },
};

export function DocumentModel(): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary: 'One model with its versions' }),
    ApiResponse({ status: 200, description: 'The model', schema: MODEL }),
    failure(404, 'No such model'),
  );
}

export function DocumentModels(): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary: 'All versions of all models' }),
    ApiResponse({
      status: 200,
      description: 'By name and version',
      schema: {
        type: 'object',
        properties: { object: { type: 'string', enum: ['list'] }, data: { type: 'array', items: LISTED_VERSION } },
      },
    }),
  );
}

export function DocumentModelState(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Choose the default version; load, unload, keep',
      description:
        'All that is given changes in one step. Requests under way are answered by the version they began with.',
    }),
    ApiBody({ schema: { type: 'object', minProperties: 1, additionalProperties: false, properties: STATE } }),
    ApiResponse({ status: 200, description: 'The model as it is now', schema: MODEL }),
    failure(400, 'A field is wrong'),
    failure(404, 'No such model or version'),
    failure(503, 'The version is not ready'),
  );
}

export function DocumentRemoval(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Remove a version',
      description:
        'Refused while the version is the default, has jobs that wait or run, or had a request within the last 60 s.',
    }),
    ApiQuery({ name: 'force', required: false, schema: { type: 'boolean', default: false } }),
    ApiResponse({ status: 204, description: 'Removed' }),
    failure(404, 'No such model or version'),
    failure(409, 'The version is in use'),
  );
}

function failure(status: number, description: string): MethodDecorator {
  return ApiResponse({ status, description, schema: V1_ERROR_SCHEMA });
}
