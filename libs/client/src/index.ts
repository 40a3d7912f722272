export {
  hasEnded,
  type Batch,
  type BatchError,
  type BatchRequest,
  type RowError,
  type TableRequest,
} from './batch-resource.ts';
export { BatchesClient, type ScoreOptions, type SubmitBatchOptions } from './batches.ts';
export { FilesClient, type StoredFile, type UploadOptions } from './files.ts';
export type { BatchFormat, BatchStatus, ModelBatch } from '@sconce/contracts';
export type { FileBody } from './form-body.ts';
export type { HttpOptions } from './http.ts';
export type { InferResult, ServerTiming } from './inference.ts';
export { ModelStatesClient, type ListedVersion, type ModelSettings, type ModelState } from './model-state.ts';
export { JobsClient, type Job, type JobStatus, type SubmitOptions } from './jobs.ts';
export type { ModelParity, ModelPerformance, ModelStatus, ModelVersion, ParityOutput } from './model-resource.ts';
export { ModelsClient, type PushOptions } from './models.ts';
export { SconceClient, type InferOptions, type ModelMetadata } from './sconce-client.ts';
