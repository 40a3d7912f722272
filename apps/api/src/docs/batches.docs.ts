import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiOperation, ApiQuery, ApiResponse } from '@nestjs/swagger';
import * as z from 'zod';
import { BATCH_STATUSES, batchRequestSchema } from '@sconce/contracts';
import { listOf } from './files.docs.ts';
import { V1_ERROR_SCHEMA, type SchemaObject } from './schemas.ts';

const TIME: SchemaObject = { type: 'integer', nullable: true, description: 'Epoch seconds' };

const BATCH_SCHEMA: SchemaObject = {
  type: 'object',
  required: ['id', 'object', 'endpoint', 'status', 'created_at', 'request_counts'],
  properties: {
    id: { type: 'string' },
    object: { type: 'string', enum: ['batch'] },
    endpoint: { type: 'string' },
    errors: { type: 'object', nullable: true, description: 'What was wrong with the batch as a whole' },
    input_file_id: { type: 'string', nullable: true },
    completion_window: { type: 'string' },
    status: { type: 'string', enum: [...BATCH_STATUSES] },
    output_file_id: { type: 'string', nullable: true },
    error_file_id: { type: 'string', nullable: true },
    created_at: TIME,
    in_progress_at: TIME,
    expires_at: TIME,
    finalizing_at: TIME,
    completed_at: TIME,
    failed_at: TIME,
    expired_at: TIME,
    cancelling_at: TIME,
    cancelled_at: TIME,
    request_counts: {
      type: 'object',
      properties: { total: { type: 'integer' }, completed: { type: 'integer' }, failed: { type: 'integer' } },
    },
    metadata: { type: 'object', nullable: true, additionalProperties: { type: 'string' } },
    model: { type: 'string' },
    version: { type: 'string' },
    format: { type: 'string' },
    output_format: { type: 'string' },
    priority: { type: 'integer' },
    max_error_rate: { type: 'number' },
    run: { type: 'integer', description: '1, and one more with every retry' },
    progress: { type: 'number', minimum: 0, maximum: 1 },
    rate: { type: 'number', nullable: true, description: 'Rows per second of late' },
    eta: { type: 'number', nullable: true, description: 'Seconds it will take yet' },
    timestamps_ms: {
      type: 'object',
      description: 'Epoch ms at which it was accepted (`created`) and entered each state, of its last run',
      additionalProperties: { type: 'integer' },
    },
    trace_id: { type: 'string', nullable: true, description: 'Its trace, where one is recorded' },
  },
};

export function DocumentSubmitBatch(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Submit a batch',
      description:
        'As OpenAI’s clients do it: `input_file_id` of a file of request lines and their `endpoint`. Or a table: `model`, ' +
        '`format` and how columns become inputs and outputs columns. The dataset may also come along: as the body, with the ' +
        'request in the query (objects as JSON), or as a form of `request` and `file`.',
    }),
    ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A repeated submission gets the first batch' }),
    ApiConsumes('application/json', 'text/csv', 'application/jsonl', 'application/octet-stream', 'multipart/form-data'),
    ApiBody({ schema: z.toJSONSchema(batchRequestSchema, { io: 'input', target: 'openapi-3.0' }) as SchemaObject }),
    batch('The batch: it is looked at by a worker next'),
    failure(400, 'The request is wrong'),
    failure(404, 'No such model or file'),
    failure(422, 'The Idempotency-Key was used with another request'),
    failure(429, 'Too many batches have not ended; see Retry-After'),
  );
}

export function DocumentBatches(): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary: 'List batches', description: 'Newest first.' }),
    ApiQuery({ name: 'after', required: false, description: 'Id of the last batch of the page before' }),
    ApiQuery({ name: 'limit', required: false, schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 } }),
    ApiResponse({ status: 200, description: 'A page of batches', schema: listOf(BATCH_SCHEMA) }),
  );
}

export function DocumentBatch(): MethodDecorator {
  return applyDecorators(ApiOperation({ summary: 'A batch' }), batch('The batch'), failure(404, 'No such batch'));
}

export function DocumentCancelBatch(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Cancel a batch',
      description: 'What has been scored can be fetched. One that has ended stays as it is.',
    }),
    batch('The batch'),
    failure(404, 'No such batch'),
  );
}

export function DocumentRetryBatch(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Retry a batch',
      description:
        'Of one that has ended: what failed, was cancelled or not reached is run again. Results there are stay.',
    }),
    batch('The batch, in progress again'),
    failure(400, 'Nothing to retry'),
    failure(404, 'No such batch'),
    failure(409, 'It has not ended'),
  );
}

export function DocumentBatchOutput(summary: string): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary,
      description: 'While it runs: of the rows from the first one to the first not scored yet.',
    }),
    ApiResponse({
      status: 200,
      description: 'A file',
      content: { '*/*': { schema: { type: 'string', format: 'binary' } } },
    }),
    failure(404, 'No such batch'),
    failure(409, 'Nothing has been read yet'),
  );
}

export function DocumentBatchEvents(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Progress of a batch',
      description: 'Server-sent events: `batch` with the batch as data whenever it has changed, until it has ended.',
    }),
    ApiResponse({
      status: 200,
      description: 'Events',
      content: { 'text/event-stream': { schema: { type: 'string' } } },
    }),
    failure(404, 'No such batch'),
  );
}

function batch(description: string): MethodDecorator {
  return ApiResponse({ status: 200, description, schema: BATCH_SCHEMA });
}

function failure(status: number, description: string): MethodDecorator {
  return ApiResponse({ status, description, schema: V1_ERROR_SCHEMA });
}
