export type { HttpOptions } from './http.ts';
export type { InferResult, ServerTiming } from './inference.ts';
export { ModelStatesClient, type ListedVersion, type ModelSettings, type ModelState } from './model-state.ts';
export { JobsClient, type Job, type JobStatus, type SubmitOptions } from './jobs.ts';
export { ModelsClient, type ModelStatus, type ModelVersion, type PushOptions } from './models.ts';
export { SconceClient, type InferOptions, type ModelMetadata } from './sconce-client.ts';
