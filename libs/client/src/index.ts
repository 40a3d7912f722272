export {
  hasEnded,
  type Batch,
  type BatchError,
  type BatchFormat,
  type BatchRequest,
  type BatchStatus,
  type RowError,
  type TableRequest,
} from './batch-resource.ts';
export { BatchesClient, type ScoreOptions, type SubmitBatchOptions } from './batches.ts';
export { FilesClient, type StoredFile, type UploadOptions } from './files.ts';
export type { FileBody } from './form-body.ts';
export type { HttpOptions } from './http.ts';
export type { InferResult, ServerTiming } from './inference.ts';
export { ModelStatesClient, type ListedVersion, type ModelSettings, type ModelState } from './model-state.ts';
export { JobsClient, type Job, type JobStatus, type SubmitOptions } from './jobs.ts';
export type {
  ModelBatch,
  ModelParity,
  ModelPerformance,
  ModelStatus,
  ModelVersion,
  ParityOutput,
} from './model-resource.ts';
export { ModelsClient, type PushOptions } from './models.ts';
export { SconceClient, type InferOptions, type ModelMetadata } from './sconce-client.ts';
