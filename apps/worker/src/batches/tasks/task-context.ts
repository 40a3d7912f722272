import type { BlobStore } from '@sconce/storage';
import type { RunPiece, RunRequest } from '../dataset-protocol.ts';
import type { DatasetLimits } from '../dataset-limits.ts';
import type { DatasetSources } from '../dataset-sources.ts';

/** The resources of a task in a dataset thread. */
export interface TaskContext {
  readonly store: BlobStore;
  readonly sources: DatasetSources;
  readonly limits: Pick<DatasetLimits, 'maxUnpackedBytes' | 'maxUnpackRatio'>;
  /** Aborted when the task's answer is not wanted any more. */
  readonly signal: AbortSignal;
  /** Runs rows in the threads that hold the model. Throws errors that are not caused by the rows. */
  readonly run: (request: RunRequest) => Promise<readonly RunPiece[]>;
}
