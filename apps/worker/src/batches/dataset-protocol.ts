import type { BatchError, BatchSpec, ChunkPart, ChunkRange } from '@sconce/contracts';
import type { ChunkSize, DatasetPosition, DatasetPreview } from '@sconce/datasets';
import type { SerializedError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import type { ScoredModel, ScoringPlan, ValidatedDataset } from './scoring-plan.ts';

/** The tasks of a dataset thread, with their replies. */
export interface DatasetTasks {
  /** Checks whether a batch's dataset can be read and fits the model. */
  readonly validate: {
    readonly task: {
      readonly batchId: string;
      readonly spec: BatchSpec;
      readonly model: ScoredModel;
      readonly runRows: number;
    };
    readonly reply: ({ readonly dataset: ValidatedDataset } | { readonly errors: readonly BatchError[] }) & {
      /** Of a dry run. */
      readonly preview?: DatasetPreview;
    };
  };
  /** Plans the next chunks, at most `count`. */
  readonly plan: {
    readonly task: {
      readonly plan: ScoringPlan;
      readonly from: DatasetPosition;
      readonly size: ChunkSize;
      readonly count: number;
    };
    readonly reply: { readonly chunks: readonly ChunkRange[]; readonly next: DatasetPosition; readonly last: boolean };
  };
  /** Scores a chunk. The thread asks for runs meanwhile. */
  readonly score: {
    readonly task: ScoreTask;
    readonly reply: { readonly part: ChunkPart; readonly times: ChunkTimes };
  };
  /** Assembles the files of a batch's results. */
  readonly assemble: {
    readonly task: {
      readonly plan: ScoringPlan;
      readonly batchId: string;
      readonly run: number;
      readonly parts: readonly ChunkPart[];
    };
    readonly reply: { readonly output?: AssembledFile | undefined; readonly errors?: AssembledFile | undefined };
  };
}

export type DatasetTaskKind = keyof DatasetTasks;

/** A chunk to score. */
export interface ScoreTask {
  readonly batchId: string;
  readonly plan: ScoringPlan;
  readonly index: number;
  readonly range: ChunkRange;
  /** Distinguishes the blobs of this delivery from the blobs of other deliveries. */
  readonly attempt: string;
  /** Set if the chunk is given up: every row gets this error, and no row is run. */
  readonly giveUp?: SerializedError;
}

/** How a chunk's time in its thread was spent, ms. Runs continue during all of it. */
export interface ChunkTimes {
  /** Reading rows and encoding them as tensors. */
  readonly readMs: number;
  /** Waiting for runs. */
  readonly waitMs: number;
  /** Encoding results and handing them to the store. */
  readonly writeMs: number;
}

/** A file of results: the blob that lists its parts, and the file's length. */
export interface AssembledFile {
  readonly key: string;
  readonly bytes: number;
  readonly mediaType: string;
  readonly extension: string;
}

/** A dataset thread's request for a run. */
export interface RunRequest {
  readonly inputs: readonly Tensor[];
  /** Rows of the inputs that have rows; 1 if no input has rows. */
  readonly rows: number;
  readonly outputs: readonly string[];
}

/** The result of consecutive rows: outputs, or one error for all of them. */
export type RunPiece =
  | { readonly rows: number; readonly outputs: readonly Tensor[] }
  | { readonly rows: number; readonly error: SerializedError };

/** A message to a dataset thread. */
export type ToThread =
  | {
      readonly [K in DatasetTaskKind]: {
        readonly kind: K;
        readonly id: number;
        readonly task: DatasetTasks[K]['task'];
      };
    }[DatasetTaskKind]
  | { readonly kind: 'ran'; readonly run: number; readonly pieces: readonly RunPiece[] }
  /** A run failed for a reason that is not in its rows: the task fails with this error. */
  | { readonly kind: 'failed'; readonly run: number; readonly error: SerializedError }
  | { readonly kind: 'abort'; readonly id: number }
  /** To be answered with `pong`, at once. */
  | { readonly kind: 'ping' };

/** A message from a dataset thread. */
export type FromThread =
  /** The thread has loaded its code. `taskId` is its number at the system. */
  | { readonly kind: 'started'; readonly taskId: number | undefined }
  | { readonly kind: 'pong' }
  | { readonly kind: 'run'; readonly id: number; readonly run: number; readonly request: RunRequest }
  | { readonly kind: 'reply'; readonly id: number; readonly reply: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: SerializedError };
