import * as z from 'zod';
import { jobVersionSchema, modelNameSchema, modelVersionNameSchema } from './job-version.ts';

/** A `plan` job of the queue `sconce.planner`: leads one run of a batch from validation to its results. */
export const plannerJobSchema = z.object({
  v: jobVersionSchema,
  batchId: z.string().describe('Id of the batch.'),
  run: z.int().describe('1, and one more with each retry of the batch.'),
});

export type PlannerJob = z.infer<typeof plannerJobSchema>;

/** The rows of a chunk in its dataset. Bytes are 0 when the format has its rows at fixed places. */
export const chunkRangeSchema = z.object({
  firstRow: z.int().describe('Index of the first row, from 0.'),
  rows: z.int().describe('Number of rows.'),
  offset: z.int().describe('First byte in the decoded dataset.'),
  length: z.int().describe('Number of bytes.'),
});

export type ChunkRange = z.infer<typeof chunkRangeSchema>;

/** A `chunk` job of the queue `sconce.<pool>.batch`: one chunk of a batch to score. */
export const chunkJobSchema = z.object({
  v: jobVersionSchema,
  batchId: z.string().describe('Id of the batch.'),
  run: z.int().describe('Run of the batch that planned the chunk.'),
  index: z.int().min(0).describe('Place of the chunk in the batch, from 0.'),
  model: modelNameSchema,
  version: modelVersionNameSchema,
  range: chunkRangeSchema.describe('The rows to score.'),
});

export type ChunkJob = z.infer<typeof chunkJobSchema>;
