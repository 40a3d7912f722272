import * as z from 'zod';
import { webhookSecretSchema } from '../webhooks/webhook-contracts.ts';

/**
 * A batch's life: `validating` → `in_progress` → `finalizing` → `completed`; to `failed` from the first three, to `expired` and (by way
 * of `cancelling`) `cancelled` from any that is not final. A retry leads from a final state back to `in_progress`.
 */
export const BATCH_STATUSES = [
  'validating',
  'in_progress',
  'finalizing',
  'completed',
  'failed',
  'expired',
  'cancelling',
  'cancelled',
] as const;

export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** States that a batch leaves only by a retry. */
export const FINAL_STATUSES = ['completed', 'failed', 'expired', 'cancelled'] as const satisfies BatchStatus[];

export const BATCH_FORMATS = ['csv', 'jsonl', 'parquet', 'arrow', 'npy'] as const;

const MAX_METADATA = 16;
const MAX_COLUMNS_SAID = 100_000;
const name = z.string().min(1).max(512);

/** Where an input's values come from. */
const inputSource = z.union([name, z.array(name).min(1).max(MAX_COLUMNS_SAID), z.strictObject({ value: z.unknown() })]);

const outputSelection = z.strictObject({
  from: name.optional(),
  name: name.optional(),
  transform: z.enum(['none', 'argmax', 'softmax', 'top_k']).optional(),
  k: z.int().min(1).max(10_000).optional(),
});

/** How a table's columns become the model's inputs, and its outputs columns. */
export const tableSchema = z.strictObject({
  /** Columns of each input; those that are not said are found by name. */
  inputs: z.record(name, inputSource).optional(),
  /** Columns of the results; every output as it is where nothing is said. */
  outputs: z.array(outputSelection).min(1).max(1_000).optional(),
  /** Columns of the input that the results repeat in front. */
  pass_through: z.array(name).max(1_000).optional(),
  /** Format of the results; default the input's. */
  output_format: z.enum(BATCH_FORMATS).optional(),
  /** How CSV is read and written. */
  csv: z.strictObject({ delimiter: z.string().length(1).optional(), header: z.boolean().optional() }).optional(),
  /** Whether NaN and infinities among the inputs are values; else a row that has one goes to the error file. */
  allow_non_finite: z.boolean().optional(),
});

export type TableOptions = z.infer<typeof tableSchema>;

const common = {
  /** Share of bad rows beyond which the batch fails; default 1: never. */
  max_error_rate: z.number().min(0).max(1).optional(),
  /** 1 (first) to 255 among batches of a pool; default 128. */
  priority: z.int().min(1).max(255).optional(),
  completion_window: z
    .string()
    .regex(/^[1-9]\d{0,4}[smhd]$/, 'a number with s, m, h or d behind it, such as "24h"')
    .default('24h'),
  metadata: z
    .record(z.string().min(1).max(64), z.string().max(512))
    .refine((pairs) => Object.keys(pairs).length <= MAX_METADATA, `at most ${MAX_METADATA} pairs`)
    .nullish(),
  output_expires_after: z
    .strictObject({ anchor: z.literal('created_at'), seconds: z.int().min(3_600).max(31_536_000) })
    .optional(),
  webhook: z.strictObject({ url: z.string().max(2_048), secret: webhookSecretSchema }).optional(),
};

/**
 * A batch as it is asked for, over HTTP or without: OpenAI's form (`endpoint` and a file of request lines), or ours (`model` and a
 * table). The dataset is a file that was uploaded, or a place that the operator allows.
 */
export const batchRequestSchema = z.strictObject({
  input_file_id: z.string().max(100).optional(),
  /** `file:///…` or `s3://…`, beneath one of the roots that the operator allows. */
  input_url: z.string().max(2_048).optional(),
  /** `/v2/models/{model}/infer` or `/v2/models/{model}/versions/{version}/infer`. */
  endpoint: z.string().max(400).optional(),
  model: z.string().max(300).optional(),
  version: z.string().max(100).optional(),
  format: z.enum(BATCH_FORMATS).optional(),
  ...tableSchema.shape,
  ...common,
});

export type BatchRequest = z.infer<typeof batchRequestSchema>;
/** As a caller writes it: without the defaults. */
export type BatchRequestInput = z.input<typeof batchRequestSchema>;

/** Where a dataset is. */
export const datasetLocationSchema = z.discriminatedUnion('kind', [
  /** In the blob store. */
  z.object({ kind: z.literal('blob'), key: z.string() }),
  /** Outside, where the operator allows it. */
  z.object({ kind: z.literal('url'), url: z.string() }),
]);

export type DatasetLocation = z.infer<typeof datasetLocationSchema>;

/** A batch as it was accepted: nothing of it changes. */
export interface BatchSpec {
  readonly model: string;
  readonly version: string;
  readonly pool: string;
  /** Lines that are requests of the protocol, or a table's rows. */
  readonly kind: 'requests' | 'table';
  readonly endpoint: string;
  readonly inputFileId?: string;
  readonly input: DatasetLocation;
  /** Name of the input, for the names of what comes of it. */
  readonly inputName: string;
  readonly format: (typeof BATCH_FORMATS)[number];
  readonly table: TableOptions;
  readonly maxErrorRate: number;
  readonly priority: number;
  readonly completionWindow: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly outputTtlSeconds?: number;
  readonly webhook?: { readonly url: string; readonly secret: string };
  readonly trace?: { readonly traceparent: string; readonly tracestate?: string };
}

/** The contract of `sconce.planner`: sees a batch through, from validation to the files of its results. */
export const plannerJobSchema = z.object({ v: z.literal(1), batchId: z.string(), run: z.int() });

export type PlannerJob = z.infer<typeof plannerJobSchema>;

/** The contract of a `chunk` job in `sconce.<pool>.batch`. */
export const chunkJobSchema = z.object({
  v: z.literal(1),
  batchId: z.string(),
  run: z.int(),
  index: z.int().min(0),
  model: z.string(),
  version: z.string(),
  range: z.object({ firstRow: z.int(), rows: z.int(), offset: z.int(), length: z.int() }),
});

export type ChunkJob = z.infer<typeof chunkJobSchema>;

/** Rows of a dataset as a chunk holds them; bytes are 0 where the format has its rows at fixed places. */
export type ChunkRange = ChunkJob['range'];

/** A chunk's results, under the names that only the delivery that was counted has written. */
export interface ChunkPart {
  readonly index: number;
  /** Rows with a result, and rows in the error file. */
  readonly rows: number;
  readonly failed: number;
  /** Blobs: absent where there is nothing in them. `bytes` of the body; the trailer stands behind it. */
  readonly output?: { readonly key: string; readonly bytes: number; readonly trailer: number };
  readonly errors?: { readonly key: string; readonly bytes: number };
}
