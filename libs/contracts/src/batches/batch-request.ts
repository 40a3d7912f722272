import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';
import { webhookSecretSchema } from '../queue/webhook-secret.ts';

/** Formats of datasets and results. */
export const BATCH_FORMATS = ['csv', 'jsonl', 'parquet', 'arrow', 'npy'] as const;

export type BatchFormat = (typeof BATCH_FORMATS)[number];

const MAX_METADATA = 16;
const MAX_COLUMNS = 100_000;
const name = z.string().min(1).max(512);

const inputSource = z
  .union([name, z.array(name).min(1).max(MAX_COLUMNS), z.strictObject({ value: z.unknown() })])
  .describe('A column, a pattern such as `p*`, columns in order, or `{"value": …}`: one value for all rows.');

const outputSelection = z.strictObject({
  from: name.optional().describe('Output of the model.'),
  name: name.optional().describe('Name of the column in the results. Default: the name of the output.'),
  transform: z.enum(['none', 'argmax', 'softmax', 'top_k']).optional().describe('What is done to the values of a row.'),
  k: z.int().min(1).max(10_000).optional().describe('How many values `top_k` keeps.'),
});

/** How the columns of a table become inputs of the model, and its outputs become columns. */
export const tableSchema = z.strictObject({
  inputs: z
    .record(name, inputSource)
    .optional()
    .describe('Columns of each input. Inputs that are not named here are found by name.'),
  outputs: z
    .array(outputSelection)
    .min(1)
    .max(1_000)
    .optional()
    .describe('Columns of the results. Default: every output, unchanged.'),
  pass_through: z
    .array(name)
    .max(1_000)
    .optional()
    .describe('Columns of the dataset that the results repeat in front.'),
  output_format: z
    .enum(BATCH_FORMATS)
    .optional()
    .describe('Format of the results. Default: the format of the dataset.'),
  limit: z.int().min(1).optional().describe('Most rows to score, from the first one. Default: all.'),
  csv: z
    .strictObject({
      delimiter: z.string().length(1).optional().describe('Default: a comma, or a tab in a .tsv file.'),
      header: z
        .boolean()
        .optional()
        .describe(
          'Whether the first line holds the names of the columns. Default: true; a first line of numbers is refused.',
        ),
      decimal: z.enum(['.', ',']).optional().describe('Decimal separator of numbers in text. Default: a point.'),
      thousands: z
        .enum(['.', ',', ' ', "'"])
        .optional()
        .describe('Separator between groups of three digits. Default: none.'),
    })
    .optional()
    .describe('How CSV is read and written. Results are written with points.'),
  encoding: z
    .string()
    .min(1)
    .max(40)
    .optional()
    .describe('Encoding of CSV or JSON that is not UTF-8: `latin1`, `windows-1252`, `shift_jis`, `gb18030`, `utf-16`.'),
  missing: z
    .union([z.number(), z.string().max(1_000)])
    .optional()
    .describe(
      'What becomes of missing values (null, NaN, nothing, `NA`, `N/A`, `null`, `none`, `?`): `error` (default): the row is bad; `nan`: NaN; or the value that stands for them.',
    ),
  allow_non_finite: z
    .boolean()
    .optional()
    .describe('Whether NaN and infinity are valid inputs. If not, a row that has one goes to the error file.'),
});

export type TableOptions = z.infer<typeof tableSchema>;

const common = {
  max_error_rate: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Share of failed rows above which the batch fails. Default 1: it never fails for that reason.'),
  priority: z.int().min(1).max(255).optional().describe('1 (first) to 255 among the batches of a pool. Default 128.'),
  completion_window: z
    .string()
    .regex(/^[1-9]\d{0,4}[smhd]$/, 'a number with s, m, h or d behind it, such as "24h"')
    .default('24h')
    .describe('Time after which the batch expires: a number and s, m, h or d.'),
  metadata: z
    .record(z.string().min(1).max(64), z.string().max(512))
    .refine((pairs) => Object.keys(pairs).length <= MAX_METADATA, `at most ${MAX_METADATA} pairs`)
    .nullish()
    .describe('Up to 16 pairs of text that the batch carries.'),
  output_expires_after: z
    .strictObject({ anchor: z.literal('created_at'), seconds: z.int().min(3_600).max(31_536_000) })
    .optional()
    .describe('When the result files are removed.'),
  webhook: z
    .strictObject({
      url: z.string().max(2_048).describe('Where the event is sent.'),
      secret: webhookSecretSchema.describe('Key of its signature (Standard Webhooks): `whsec_` and base64.'),
    })
    .optional()
    .describe('Who is told when the batch has ended.'),
};

/**
 * A request for a batch, over HTTP or from another service: OpenAI's form (`endpoint` and a file of request lines), or ours (`model` and
 * a table). The dataset is an uploaded file, or a place that the operator allows.
 */
export const batchRequestSchema = z
  .strictObject({
    input_file_id: z.string().max(100).optional().describe('Id of an uploaded file.'),
    input_url: z
      .string()
      .max(2_048)
      .optional()
      .describe('Instead of a file: `file:///…` or `s3://…` below a root that the operator allows.'),
    endpoint: z
      .string()
      .max(400)
      .optional()
      .describe('For request lines: `/v2/models/{model}/infer` or `/v2/models/{model}/versions/{version}/infer`.'),
    model: z.string().max(300).optional().describe('For a table: the model that scores the rows.'),
    version: z
      .string()
      .max(100)
      .optional()
      .describe('For a table: a version. Default: the default version of the model.'),
    format: z.enum(BATCH_FORMATS).optional().describe('For a table: its format. Default: by the name of the file.'),
    ...tableSchema.shape,
    ...common,
  })
  .meta({ id: 'BatchRequest', description: 'A request for a batch.' });

export type BatchRequest = z.infer<typeof batchRequestSchema>;
/** As a caller writes it: without the defaults. */
export type BatchRequestInput = DeepReadonly<z.input<typeof batchRequestSchema>>;
