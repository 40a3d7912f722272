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
