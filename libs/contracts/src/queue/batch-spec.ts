import * as z from 'zod';
import { BATCH_FORMATS, tableSchema } from '../batches/batch-request.ts';
import { traceContextSchema } from '../tracing/trace-context.ts';
import { modelNameSchema, modelVersionNameSchema } from './job-version.ts';
import { webhookSecretSchema } from './webhook-secret.ts';

/** Where a dataset is. */
export const datasetLocationSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('blob').describe('In the blob store.'),
    key: z.string().describe('Key of the blob.'),
  }),
  z.object({
    kind: z.literal('url').describe('Outside the blob store, beneath a root that the operator allows.'),
    url: z.string().describe('`file:///…` or `s3://…`.'),
  }),
]);

export type DatasetLocation = z.infer<typeof datasetLocationSchema>;

/** An accepted batch, in the field `spec` of its record. It never changes. */
export const batchSpecSchema = z.object({
  model: modelNameSchema,
  version: modelVersionNameSchema,
  pool: z.string().describe('Pool whose workers score the batch.'),
  kind: z.enum(['requests', 'table']).describe('Whether a line of the dataset is a request, or a row of a table.'),
  endpoint: z.string().describe('Path of the infer operation that the batch stands for.'),
  inputFileId: z.string().optional().describe('Id of the dataset, when it was uploaded.'),
  input: datasetLocationSchema.describe('The dataset.'),
  inputName: z.string().describe('File name of the dataset. Names of the results begin with it.'),
  format: z.enum(BATCH_FORMATS).describe('Format of the dataset.'),
  table: tableSchema.describe('How columns become inputs, and outputs become columns. Empty for request lines.'),
  maxErrorRate: z.number().describe('Share of failed rows, 0 to 1, above which the batch fails.'),
  priority: z.int().describe('1 (first) to 255 among the batches of a pool.'),
  completionWindow: z.string().describe('Time until the batch expires, such as `24h`.'),
  metadata: z.record(z.string(), z.string()).optional().describe('Pairs that the client attached.'),
  outputTtlSeconds: z.int().optional().describe('Time until the results are removed.'),
  webhook: z
    .object({
      url: z.string().describe('URL of the receiver.'),
      secret: webhookSecretSchema.describe('Signing secret.'),
    })
    .optional()
    .describe('Called when the batch ends.'),
  preview: z
    .literal(true)
    .optional()
    .describe('A dry run: the planner records what it found, and a few rows are scored.'),
  trace: traceContextSchema.optional().describe('The span of the submission.'),
  owner: z.string().optional().describe('Owner of the submitter’s key.'),
});

export type BatchSpec = Readonly<z.infer<typeof batchSpecSchema>>;

/** The committed results of one chunk. Only the delivery that was counted has written under these keys. */
export const chunkPartSchema = z.object({
  index: z.int().describe('Place of the chunk in the batch, from 0.'),
  rows: z.int().describe('Rows that have a result.'),
  failed: z.int().describe('Rows in the error file.'),
  output: z
    .object({
      key: z.string().describe('Key of the blob.'),
      bytes: z.int().describe('Bytes of the body.'),
      trailer: z.int().describe('Bytes of the trailer, which follows the body.'),
    })
    .optional()
    .describe('The results. Absent when there are none.'),
  errors: z
    .object({ key: z.string().describe('Key of the blob.'), bytes: z.int().describe('Bytes of the blob.') })
    .optional()
    .describe('The lines of the error file. Absent when there are none.'),
  unreadable: z
    .string()
    .optional()
    .describe(
      'Why the rows of the chunk could not be read. Absent when they were read, or when the chunk failed for another reason.',
    ),
});

export type ChunkPart = Readonly<z.infer<typeof chunkPartSchema>>;
