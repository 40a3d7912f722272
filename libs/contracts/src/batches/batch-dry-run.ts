import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';
import { BATCH_FORMATS } from './batch-request.ts';

const problem = z.object({
  code: z.string(),
  message: z.string(),
  param: z.string().nullable().describe('The field of the request, or the column.'),
  fix: z
    .object({
      flag: z.string().describe('The option of `sconce score`.'),
      field: z.record(z.string(), z.unknown()).describe('Fields of the request with their values.'),
    })
    .optional()
    .describe('What to change.'),
});

/** What a batch of a table would do. Answer of `POST /v1/batches?dry_run=true`. */
export const batchDryRunSchema = z
  .object({
    object: z.literal('batch.dry_run'),
    ok: z.boolean().describe('Whether the batch would begin, and not every one of its first rows fails.'),
    model: z.string(),
    version: z.string(),
    dataset: z.object({
      bytes: z.int().describe('Size of the file as it is.'),
      format: z.enum(BATCH_FORMATS),
      compression: z.string().nullable(),
      encoding: z.string().nullable().describe('Of CSV and JSON.'),
      delimiter: z.string().nullable().describe('Of CSV.'),
      header: z.boolean().nullable().describe('Of CSV: whether the first line has the names of the columns.'),
      rows: z.int().nullable().describe('Number of rows; null if the file cannot be read.'),
      exact: z.boolean().describe('Whether `rows` is exact. Otherwise it follows from the size of the first rows.'),
    }),
    columns: z
      .array(
        z.object({
          name: z.string(),
          type: z.string().describe('Of the file, or of its first values.'),
          inputs: z.array(z.string()).describe('The inputs that take its values.'),
          kept: z.boolean().describe('Whether it is in `pass_through`.'),
        }),
      )
      .describe('The first columns of the file, at most 200.'),
    width: z.int().describe('Number of all columns.'),
    inputs: z.array(
      z.object({
        name: z.string(),
        type: z.string().describe('Datatype and shape, such as `FP32[-1,4]`.'),
        columns: z.array(z.string()).nullable().describe('The first of its columns; null if it has none.'),
        width: z.int().describe('Number of its columns.'),
        value: z.unknown().optional().describe('The one value of all rows, if the request gives it.'),
        problem: problem.optional(),
      }),
    ),
    outputs: z.array(z.object({ name: z.string(), type: z.string() })).describe('Columns of the results.'),
    rows: z
      .array(
        z.object({
          row: z.int().describe('From 1.'),
          values: z.record(z.string(), z.unknown()),
          result: z.record(z.string(), z.unknown()).optional().describe('The row of the results.'),
          error: z
            .object({ code: z.string(), message: z.string(), param: z.string().nullable() })
            .optional()
            .describe('Why the row fails.'),
        }),
      )
      .describe('The first five rows.'),
    sample: z
      .object({ rows: z.int(), failed: z.int() })
      .describe('The first rows, which were all read: how many, and how many of them fail.'),
    errors: z.array(problem).describe('Why the batch would fail before its first row.'),
    warnings: z.array(problem).describe('What is likely to be meant otherwise.'),
    estimate: z
      .object({ seconds: z.number() })
      .nullable()
      .describe(
        'How long the runs of all rows take on one worker, without upload and queue; null if that is not known.',
      ),
  })
  .meta({ id: 'BatchDryRun', description: 'What a batch of a table would do.' });

export type BatchDryRun = DeepReadonly<z.infer<typeof batchDryRunSchema>>;
