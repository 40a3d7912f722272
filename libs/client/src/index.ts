export type { HttpOptions } from './http.ts';
export type { InferResult, ServerTiming } from './inference.ts';
export { JobsClient, type Job, type JobStatus } from './jobs.ts';
export { ModelsClient, type ModelStatus, type ModelVersion } from './models.ts';
export { SconceClient, type ModelMetadata } from './sconce-client.ts';
