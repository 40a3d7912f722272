import type { BatchSpec, DatasetLocation } from '@sconce/contracts';
import type { CsvOptions, DatasetFormat, DatasetPosition, MappedInput, OutputColumn } from '@sconce/datasets';
import type { S3Settings, StorageConfig } from '@sconce/storage';
import type { ModelSignature } from '@sconce/tensor';

/** The dataset as it was when the batch was validated: one that has changed since is not read any further. */
export interface PinnedDataset {
  readonly location: DatasetLocation;
  readonly sizeBytes: number;
  /** When it was last changed, by the store's clock. */
  readonly modifiedAtMs: number;
}

/** What of the model the scoring of a batch needs; a version never changes. */
export interface ScoredModel {
  readonly name: string;
  readonly version: string;
  readonly endpoint: string;
  readonly signature: ModelSignature;
  /** Inputs whose axis 0 is rows; none where each row runs alone. */
  readonly rowInputs: readonly string[];
}

/**
 * How a batch is read, run and written: found once, when it is validated, and kept in its record. Whoever scores a chunk, and however
 * often, then gets the same bytes: rows run in groups that are counted from the dataset's beginning.
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
  /** Rows that are read, run and written together: a multiple of `runRows`. Chunks hold a multiple of it. */
  readonly blockRows: number;
  /** Of a table. */
  readonly inputs: readonly MappedInput[];
  readonly columns: readonly OutputColumn[];
  readonly allowNonFinite: boolean;
}

/** What a validated dataset is like. */
export interface ValidatedDataset {
  readonly plan: ScoringPlan;
  readonly start: DatasetPosition;
  /** Where the format says, or all lines have been looked at. */
  readonly rows?: number;
}

/** What dataset threads are started with. */
export interface DatasetThreadOptions {
  readonly storage: StorageConfig;
  /** How the buckets among the roots are reached. */
  readonly s3: S3Settings;
  /** Folders (and `s3://bucket/prefix`) from which datasets may be read where they are. */
  readonly datasetRoots: readonly string[];
}
