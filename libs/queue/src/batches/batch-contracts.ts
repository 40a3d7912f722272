import * as z from 'zod';
import type { BatchFormat, TableOptions, TraceContext } from '@sconce/contracts';

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
  readonly format: BatchFormat;
  readonly table: TableOptions;
  readonly maxErrorRate: number;
  readonly priority: number;
  readonly completionWindow: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly outputTtlSeconds?: number;
  readonly webhook?: { readonly url: string; readonly secret: string };
  readonly trace?: TraceContext;
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
