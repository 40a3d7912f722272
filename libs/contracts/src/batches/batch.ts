import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';
import { listSchemaOf } from '../lists/list.ts';
import { BATCH_FORMATS } from './batch-request.ts';
import { BATCH_STATUSES } from './batch-status.ts';

/** What is wrong with a batch as a whole. */
export const batchErrorSchema = z
  .object({
    code: z.string().describe('The code to program against.'),
    message: z.string(),
    param: z.string().nullish().describe('The field at fault.'),
    line: z.number().nullish().describe('The row at fault, from 1.'),
  })
  .meta({ id: 'BatchError', description: 'What is wrong with a batch as a whole.' });

export type BatchError = DeepReadonly<z.infer<typeof batchErrorSchema>>;

const at = (event: string): z.ZodNullable<z.ZodInt> => z.int().nullable().describe(`Epoch seconds at which ${event}.`);

/** A batch as OpenAI's clients know it, with fields of our own behind `metadata`. */
export const batchSchema = z
  .object({
    id: z.string().describe('`batch_…`'),
    object: z.literal('batch'),
    endpoint: z.string().describe('The infer route that every request line or row stands for.'),
    errors: z
      .object({ object: z.literal('list'), data: z.array(batchErrorSchema) })
      .nullable()
      .describe('What is wrong with the batch as a whole.'),
    input_file_id: z.string().nullable().describe('The dataset, if it is an uploaded file.'),
    completion_window: z.string().describe('Time after which the batch expires, such as `24h`.'),
    status: z.enum(BATCH_STATUSES),
    output_file_id: z.string().nullable().describe('The results, when the batch has ended.'),
    error_file_id: z.string().nullable().describe('The rows that failed, when the batch has ended and there are any.'),
    created_at: z.int().describe('Epoch seconds at which the batch was accepted.'),
    in_progress_at: at('scoring began'),
    expires_at: z.int().describe('Epoch seconds at which the batch expires.'),
    finalizing_at: at('the writing of the results began'),
    completed_at: at('it completed'),
    failed_at: at('it failed'),
    expired_at: at('it expired'),
    cancelling_at: at('it was asked to stop'),
    cancelled_at: at('it stopped'),
    request_counts: z
      .object({ total: z.int(), completed: z.int(), failed: z.int() })
      .describe('Rows, or request lines. `total` grows while the dataset of a table is read.'),
    metadata: z.record(z.string(), z.string()).nullable(),
    model: z.string(),
    version: z.string(),
    format: z.enum(BATCH_FORMATS).describe('Format of the dataset.'),
    output_format: z.enum(BATCH_FORMATS).describe('Format of the results.'),
    input_url: z.string().nullable().describe('The dataset, if it is not an uploaded file.'),
    priority: z.int().describe('1 (first) to 255 among the batches of a pool.'),
    max_error_rate: z.number().describe('Share of failed rows above which the batch fails.'),
    run: z.int().describe('1, and one more with every retry.'),
    progress: z.number().min(0).max(1).describe('Share of the dataset that has been scored.'),
    rate: z.number().nullable().describe('Rows per second during the last seconds; null unless it is in progress.'),
    eta: z.number().nullable().describe('Seconds until all rows are scored, at that rate.'),
    timestamps_ms: z
      .record(z.string(), z.int())
      .describe('Epoch ms at which the batch was accepted (`created`) and entered each state, in its last run.'),
    trace_id: z.string().nullable().describe('Its trace, if one is recorded: `GET /v1/traces/{id}`.'),
  })
  .meta({ id: 'Batch', description: 'A dataset that is scored asynchronously.' });

export type Batch = DeepReadonly<z.infer<typeof batchSchema>>;

export const batchListSchema = listSchemaOf(batchSchema, { id: 'BatchList', description: 'A page of batches.' });

/** Query of a page of batches. */
export const batchListQuerySchema = z.object({
  after: z.string().max(100).optional().describe('Id of the last batch of the page before.'),
  limit: z.coerce.number().int().min(1).max(100).default(20).describe('Most batches of the page.'),
});

/** A row that failed, as the error file of a table has it. */
export const rowErrorSchema = z
  .object({
    row: z.int().min(1).describe('From 1.'),
    error: z.object({ code: z.string(), message: z.string(), param: z.string().nullable() }),
  })
  .meta({ id: 'RowError', description: 'A row of a table that failed.' });

export type RowError = DeepReadonly<z.infer<typeof rowErrorSchema>>;
