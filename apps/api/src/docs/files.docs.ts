import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { V1_ERROR_SCHEMA, type SchemaObject } from './schemas.ts';

const FILE_SCHEMA: SchemaObject = {
  type: 'object',
  required: ['id', 'object', 'bytes', 'created_at', 'filename', 'purpose', 'status'],
  properties: {
    id: { type: 'string' },
    object: { type: 'string', enum: ['file'] },
    bytes: { type: 'integer' },
    created_at: { type: 'integer', description: 'Epoch seconds' },
    expires_at: { type: 'integer' },
    filename: { type: 'string' },
    purpose: { type: 'string', enum: ['batch', 'batch_output'] },
    status: { type: 'string', enum: ['processed'] },
  },
};

export function DocumentUpload(): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary: 'Upload a file', description: 'Streamed into the store, whatever its size.' }),
    ApiConsumes('multipart/form-data'),
    ApiBody({
      schema: {
        type: 'object',
        required: ['purpose', 'file'],
        properties: {
          purpose: { type: 'string', enum: ['batch'] },
          file: { type: 'string', format: 'binary' },
          'expires_after[anchor]': { type: 'string', enum: ['created_at'] },
          'expires_after[seconds]': { type: 'integer', minimum: 3_600, maximum: 2_592_000 },
        },
      },
    }),
    ApiResponse({ status: 200, description: 'The file', schema: FILE_SCHEMA }),
    failure(400, 'The form is wrong'),
    failure(413, 'The file is larger than allowed'),
  );
}

export function DocumentFiles(): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary: 'List files' }),
    ApiQuery({ name: 'after', required: false, description: 'Id of the last file of the page before' }),
    ApiQuery({
      name: 'limit',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: 10_000, default: 100 },
    }),
    ApiQuery({ name: 'order', required: false, schema: { type: 'string', enum: ['asc', 'desc'], default: 'desc' } }),
    ApiQuery({ name: 'purpose', required: false, schema: { type: 'string' } }),
    ApiResponse({ status: 200, description: 'A page of files', schema: listOf(FILE_SCHEMA) }),
  );
}

export function DocumentFile(): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary: 'A file' }),
    ApiResponse({ status: 200, description: 'The file', schema: FILE_SCHEMA }),
    failure(404, 'No such file'),
  );
}

export function DocumentFileContent(): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary: 'Bytes of a file' }),
    ApiResponse({
      status: 200,
      description: 'The bytes',
      content: { '*/*': { schema: { type: 'string', format: 'binary' } } },
    }),
    failure(404, 'No such file, or its bytes are gone'),
  );
}

export function DocumentDeleteFile(): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary: 'Remove a file', description: 'Batches that still read it fail.' }),
    ApiResponse({
      status: 200,
      description: 'It is gone',
      schema: {
        type: 'object',
        properties: { id: { type: 'string' }, object: { type: 'string' }, deleted: { type: 'boolean' } },
      },
    }),
    failure(404, 'No such file'),
  );
}

/** A page of a list. */
export function listOf(items: SchemaObject): SchemaObject {
  return {
    type: 'object',
    required: ['object', 'data', 'has_more'],
    properties: {
      object: { type: 'string', enum: ['list'] },
      data: { type: 'array', items },
      first_id: { type: 'string', nullable: true },
      last_id: { type: 'string', nullable: true },
      has_more: { type: 'boolean' },
    },
  };
}

function failure(status: number, description: string): MethodDecorator {
  return ApiResponse({ status, description, schema: V1_ERROR_SCHEMA });
}
