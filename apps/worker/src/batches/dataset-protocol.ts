import type { BatchError, BatchSpec, ChunkPart, ChunkRange } from '@sconce/contracts';
import type { ChunkSize, DatasetPosition } from '@sconce/datasets';
import type { SerializedError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import type { ScoredModel, ScoringPlan, ValidatedDataset } from './scoring-plan.ts';

/** What a dataset thread can be asked to do. */
export interface DatasetTasks {
  /** Looks at a batch's dataset: can it be read, and does it fit the model? */
  readonly validate: {
    readonly task: {
      readonly batchId: string;
      readonly spec: BatchSpec;
      readonly model: ScoredModel;
      readonly runRows: number;
    };
    readonly reply: { readonly dataset: ValidatedDataset } | { readonly errors: readonly BatchError[] };
  };
  /** The next chunks, at most `count`. */
  readonly plan: {
    readonly task: {
      readonly plan: ScoringPlan;
      readonly from: DatasetPosition;
      readonly size: ChunkSize;
      readonly count: number;
    };
    readonly reply: { readonly chunks: readonly ChunkRange[]; readonly next: DatasetPosition; readonly last: boolean };
  };
  /** Scores a chunk: asks for runs meanwhile. */
  readonly score: {
    readonly task: ScoreTask;
    readonly reply: { readonly part: ChunkPart; readonly times: ChunkTimes };
  };
  /** Puts the results of a batch together. */
  readonly assemble: {
    readonly task: {
      readonly plan: ScoringPlan;
      readonly batchId: string;
      readonly run: number;
      readonly parts: readonly ChunkPart[];
    };
    readonly reply: { readonly output?: AssembledFile; readonly errors?: AssembledFile };
  };
}

export type DatasetTaskKind = keyof DatasetTasks;

/** A chunk to score. */
export interface ScoreTask {
  readonly batchId: string;
  readonly plan: ScoringPlan;
  readonly index: number;
  readonly range: ChunkRange;
  /** What tells this delivery's blobs from those of others. */
  readonly attempt: string;
  /** Where the chunk is given up: every row gets this error, and none is run. */
  readonly giveUp?: SerializedError;
}

/** Where a chunk's time went in its thread, ms; runs go on beside all of it. */
export interface ChunkTimes {
  /** Reading rows and making tensors of them. */
  readonly readMs: number;
  /** Waiting for runs. */
  readonly waitMs: number;
  /** Encoding results and handing them to the store. */
  readonly writeMs: number;
}

/** A file of results: the blob that lists its parts, and how long it is. */
export interface AssembledFile {
  readonly key: string;
  readonly bytes: number;
  readonly mediaType: string;
  readonly extension: string;
}

/** Rows to run, as a thread asks for it. */
export interface RunRequest {
  readonly inputs: readonly Tensor[];
  /** Rows of the inputs that have rows; 1 where they have none. */
  readonly rows: number;
  readonly outputs: readonly string[];
}

/** What became of rows that follow each other. */
export type RunPiece =
  | { readonly rows: number; readonly outputs: readonly Tensor[] }
  | { readonly rows: number; readonly error: SerializedError };

/** To a thread. */
export type ToThread =
  | {
      readonly [K in DatasetTaskKind]: {
        readonly kind: K;
        readonly id: number;
        readonly task: DatasetTasks[K]['task'];
      };
    }[DatasetTaskKind]
  | { readonly kind: 'ran'; readonly run: number; readonly pieces: readonly RunPiece[] }
  /** The runs that are asked for cannot be had: the task fails with this. */
  | { readonly kind: 'failed'; readonly run: number; readonly error: SerializedError }
  | { readonly kind: 'abort'; readonly id: number };

/** From a thread. */
export type FromThread =
  | { readonly kind: 'run'; readonly id: number; readonly run: number; readonly request: RunRequest }
  | { readonly kind: 'reply'; readonly id: number; readonly reply: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: SerializedError };
