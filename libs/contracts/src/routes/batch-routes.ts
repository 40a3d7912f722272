import * as z from 'zod';
import { batchDryRunSchema } from '../batches/batch-dry-run.ts';
import { batchRequestSchema } from '../batches/batch-request.ts';
import { batchListQuerySchema, batchListSchema, batchSchema } from '../batches/batch.ts';
import { CSV_EXAMPLE } from './examples.ts';
import { idParams, idempotencyHeaders } from './parameters.ts';
import { bytesSchema, contentOf, failures, json, type Failures } from './responses.ts';
import type { Route } from './route.ts';

const tag = 'Batches';
const params = idParams('batch');
const NO_BATCH: Failures = { 404: 'There is no such batch.', 503: true };

const fields = batchRequestSchema.shape;
const asJson = (what: string): z.ZodOptional<z.ZodString> => z.string().optional().describe(`\`${what}\` as JSON.`);

/** The request of a batch whose dataset is the body. */
const queryRequest = z.object({
  dry_run: z
    .enum(['true', 'false'])
    .optional()
    .describe('Whether to say only what the batch would do, with the first rows scored. For tables.'),
  model: fields.model.meta({ example: 'digits' }),
  version: fields.version,
  endpoint: fields.endpoint,
  format: fields.format,
  output_format: fields.output_format,
  completion_window: z.string().optional().describe('Time after which the batch expires. Default: 24h.'),
  max_error_rate: fields.max_error_rate,
  priority: fields.priority,
  allow_non_finite: fields.allow_non_finite,
  encoding: fields.encoding,
  limit: fields.limit,
  missing: z.string().optional().describe('`error`, `nan`, or the value that stands for missing ones.'),
  pass_through: z.string().optional().describe('Names of columns, with commas between them.'),
  inputs: asJson('inputs'),
  outputs: asJson('outputs'),
  csv: asJson('csv'),
  metadata: asJson('metadata'),
  webhook: asJson('webhook'),
  output_expires_after: asJson('output_expires_after'),
});

const output = {
  method: 'get',
  tag,
  description: 'While the batch runs: the rows from the first one to the first one that is not scored.',
  access: 'batch',
  params,
  responses: {
    200: contentOf('*/*', 'A file', { 'Content-Disposition': 'The name of the file.' }),
    ...failures({ ...NO_BATCH, 409: 'The dataset has not been read yet.' }),
  },
} as const satisfies Partial<Route>;

/** Routes of batches. */
export const BATCH_ROUTES: readonly Route[] = [
  {
    method: 'post',
    path: '/v1/batches',
    operationId: 'submitBatch',
    tag,
    summary: 'Submit a batch',
    description:
      'In OpenAI’s form: `input_file_id` of a file of request lines, and their `endpoint`. Or a table: `model`, `format`, and how columns ' +
      'become inputs and outputs become columns. The dataset may come with the request: as the body, with the request in the query, or as ' +
      'a form of `request` and `file`.',
    access: 'batch',
    headers: idempotencyHeaders.extend({
      'Content-Disposition': z.string().optional().describe('`filename` names a dataset that is the body.'),
    }),
    query: queryRequest,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: batchRequestSchema,
          examples: {
            table: {
              summary: 'A table that was uploaded',
              value: { input_file_id: 'file-000000000000000000000000', model: 'digits', inputs: { pixels: 'p*' } },
            },
            request_lines: {
              summary: 'Request lines, in OpenAI’s form',
              value: {
                input_file_id: 'file-000000000000000000000001',
                endpoint: '/v2/models/digits/infer',
                completion_window: '24h',
              },
            },
          },
        },
        'text/csv': { schema: bytesSchema, examples: { table: CSV_EXAMPLE } },
        'application/jsonl': { schema: bytesSchema },
        'application/octet-stream': { schema: bytesSchema },
        'multipart/form-data': {
          schema: z.object({
            request: batchRequestSchema.describe('JSON. It is the first part.'),
            file: bytesSchema.describe('The dataset.'),
          }),
        },
      },
    },
    responses: {
      200: json(
        'The batch. Its dataset is validated next. With `dry_run`: what a batch would do.',
        z.union([batchSchema, batchDryRunSchema]),
        { headers: { Location: 'Where the batch is.' } },
      ),
      ...failures({
        400: true,
        404: 'There is no such model or file.',
        413: true,
        415: true,
        422: 'The Idempotency-Key was used with another request.',
        429: 'Too many batches have not ended, or the key sends too much.',
        503: true,
        504: 'No worker finished the dry run in a minute.',
      }),
    },
  },
  {
    method: 'get',
    path: '/v1/batches',
    operationId: 'listBatches',
    tag,
    summary: 'List batches',
    description: 'Newest first.',
    access: 'batch',
    query: batchListQuerySchema,
    responses: {
      200: json('A page of batches', batchListSchema),
      ...failures({ 400: true, 404: 'There is no batch `after`.', 503: true }),
    },
  },
  {
    method: 'get',
    path: '/v1/batches/{id}',
    operationId: 'getBatch',
    tag,
    summary: 'Get a batch',
    access: 'batch',
    params,
    responses: { 200: json('The batch', batchSchema), ...failures(NO_BATCH) },
  },
  {
    method: 'post',
    path: '/v1/batches/{id}/cancel',
    operationId: 'cancelBatch',
    tag,
    summary: 'Cancel a batch',
    description: 'Rows that are scored can be fetched. A batch that has ended stays as it is.',
    access: 'batch',
    params,
    responses: { 200: json('The batch', batchSchema), ...failures({ ...NO_BATCH, 413: true, 415: true }) },
  },
  {
    method: 'post',
    path: '/v1/batches/{id}/retry',
    operationId: 'retryBatch',
    tag,
    summary: 'Retry a batch',
    headers: idempotencyHeaders,
    description:
      'For a batch that has ended: rows that failed, were cancelled or not reached are run again. Results stay.',
    access: 'batch',
    params,
    responses: {
      200: json('The batch, in progress again', batchSchema),
      ...failures({
        ...NO_BATCH,
        400: 'There is nothing to retry.',
        409: 'The batch has not ended.',
        413: true,
        415: true,
      }),
    },
  },
  { ...output, path: '/v1/batches/{id}/output', operationId: 'getBatchOutput', summary: 'Get the results so far' },
  {
    ...output,
    path: '/v1/batches/{id}/errors',
    operationId: 'getBatchErrors',
    summary: 'Get the rows that failed so far',
  },
  {
    method: 'get',
    path: '/v1/batches/{id}/events',
    operationId: 'watchBatch',
    tag,
    summary: 'Watch a batch',
    description: 'Server-sent events: `batch`, with the batch as data, whenever it has changed, until it has ended.',
    access: 'batch',
    params,
    responses: { 200: contentOf('text/event-stream', 'Events'), ...failures(NO_BATCH) },
  },
];
