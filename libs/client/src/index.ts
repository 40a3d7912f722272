export type {
  Batch,
  BatchDryRun,
  BatchError,
  BatchFormat,
  BatchStatus,
  File,
  Job,
  JobStatus,
  ListedVersion,
  Model,
  ModelBatch,
  ModelMetadata,
  ModelParity,
  ModelPerformance,
  ModelSettings,
  ModelStatus,
  ModelVersion,
  ParityOutput,
  RowError,
  RunMemory,
} from '@sconce/contracts';
export { ERROR_POLICY, SconceError, type ErrorCode, type ErrorPolicy } from '@sconce/errors';
export { bytesElements, type Datatype, type Tensor, type TensorSpec } from '@sconce/tensor';
export { hasEnded, type BatchRequest, type TableRequest } from './batch-request.ts';
export { BatchesClient, type ScoreOptions, type SubmitBatchOptions } from './batches.ts';
export { FilesClient, type UploadOptions } from './files.ts';
export type { FileBody } from './form-body.ts';
export type { HttpOptions } from './http.ts';
export type { InferResult, ServerTiming } from './inference.ts';
export { JobsClient, type JobFilter, type SubmitOptions } from './jobs.ts';
export { ModelStatesClient } from './model-state.ts';
export { ModelsClient, type PushOptions } from './models.ts';
export {
  nestedOf,
  tensor,
  valuesOf,
  type Element,
  type Nested,
  type TensorOptions,
  type TypedArray,
} from './tensors.ts';
export { SconceClient, type InferOptions } from './sconce-client.ts';
