import type { BlobStore } from '@sconce/storage';
import type { RunPiece, RunRequest } from '../dataset-protocol.ts';
import type { DatasetSources } from '../dataset-sources.ts';

/** What a task of a dataset thread may use. */
export interface TaskContext {
  readonly store: BlobStore;
  readonly sources: DatasetSources;
  /** Aborted when nobody wants the task's answer any more. */
  readonly signal: AbortSignal;
  /** Has rows run by the threads that hold the model. Throws what is no fault of the rows. */
  readonly run: (request: RunRequest) => Promise<readonly RunPiece[]>;
}
