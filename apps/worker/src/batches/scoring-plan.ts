import type { BatchSpec, DatasetLocation } from '@sconce/contracts';
import type { CsvOptions, DatasetFormat, DatasetPosition, MappedInput, OutputColumn } from '@sconce/datasets';
import type { S3Settings, StorageConfig } from '@sconce/storage';
import type { DecodeBudget, ModelSignature } from '@sconce/tensor';
import type { DatasetLimits } from './dataset-limits.ts';

/** The dataset as it was when the batch was validated. If it changes afterwards, it is not read any further. */
export interface PinnedDataset {
  readonly location: DatasetLocation;
  readonly sizeBytes: number;
  /** When it was last changed, by the store's clock. */
  readonly modifiedAtMs: number;
}

/** The facts about a model version that scoring needs. A version never changes. */
export interface ScoredModel {
  readonly name: string;
  readonly version: string;
  readonly endpoint: string;
  readonly signature: ModelSignature;
  /** Inputs whose axis 0 is rows; empty if each row runs alone. */
  readonly rowInputs: readonly string[];
  /** The most that a request line may have. */
  readonly budget?: DecodeBudget | undefined;
}

/**
 * How a batch is read, run and written. It is made once, by validation, and kept in the batch's record. So every delivery of a chunk gives
 * the same bytes, on any worker: row groups are counted from the first row of the dataset.
 */
export interface ScoringPlan {
  readonly kind: BatchSpec['kind'];
  readonly dataset: PinnedDataset;
  readonly format: DatasetFormat;
  readonly outputFormat: DatasetFormat;
  readonly csv: CsvOptions;
  readonly model: ScoredModel;
  /** Rows of a run. */
  readonly runRows: number;
  /** Rows that are read, run and written together: a multiple of `runRows`. The rows of a chunk are a multiple of it. */
  readonly blockRows: number;
  /** For a table; empty for request lines. */
  readonly inputs: readonly MappedInput[];
  readonly columns: readonly OutputColumn[];
  readonly allowNonFinite: boolean;
  /** What stands for missing values, as in the request; absent if they make bad rows. */
  readonly missing?: number | string | undefined;
  /** Most rows to score, from the first one. */
  readonly limit?: number | undefined;
}

/** The result of a successful validation. */
export interface ValidatedDataset {
  readonly plan: ScoringPlan;
  readonly start: DatasetPosition;
  /** Known if the format stores it, or if validation has read all lines. */
  readonly rows?: number | undefined;
}

/** Options of dataset threads (their `workerData`). */
export interface DatasetThreadOptions {
  readonly storage: StorageConfig;
  /** Settings for the buckets among the roots. */
  readonly s3: S3Settings;
  /** Folders and `s3://bucket/prefix` from which datasets may be read in place. */
  readonly datasetRoots: readonly string[];
  readonly limits: DatasetLimits;
  /** The code of the threads. For tests. */
  readonly threadUrl?: URL;
}
