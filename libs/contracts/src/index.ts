export type { DeepReadonly } from './deep-readonly.ts';
export type { BudgetLimit } from '@sconce/errors';
export {
  checkKeyOutputs,
  instanceBudget,
  requestBudgetSchema,
  smallestBudget,
  type EffectiveBudget,
  type RequestBudget,
} from './budget.ts';
export {
  BATCH_FORMATS,
  batchRequestSchema,
  tableSchema,
  type BatchFormat,
  type BatchRequest,
  type BatchRequestInput,
  type TableOptions,
} from './batches/batch-request.ts';
export { BATCH_STATUSES, FINAL_STATUSES, type BatchStatus, type FinalBatchStatus } from './batches/batch-status.ts';
export { batchDryRunSchema, type BatchDryRun } from './batches/batch-dry-run.ts';
export {
  batchErrorSchema,
  batchListQuerySchema,
  batchSchema,
  rowErrorSchema,
  type Batch,
  type BatchError,
  type RowError,
} from './batches/batch.ts';
export { errorBodySchema, protocolErrorSchema, type ErrorBody, type ProtocolError } from './errors/error-bodies.ts';
export {
  FILE_PURPOSES,
  fileFieldsSchema,
  fileListQuerySchema,
  fileSchema,
  type DeletedFile,
  type File,
  type FilePurpose,
} from './files/file.ts';
export { inferRequestSchema, inferResponseSchema, jobRequestSchema } from './inference/infer.ts';
export { COUNTED_WHERE_ACCEPTED } from './inference/api-failures.ts';
export { requestTimingSchema, type RequestTiming } from './inference/request-timing.ts';
export { JOB_STATUSES, jobListQuerySchema, jobListSchema, jobSchema, type Job, type JobStatus } from './jobs/job.ts';
export type { List } from './lists/list.ts';
export { BATCH_AXES, modelBatchSchema, type BatchAxis, type ModelBatch } from './models/model-batch.ts';
export {
  CONFIG_DATA_TYPES,
  modelConfigJsonSchema,
  modelConfigSchema,
  type ConfigDataType,
  type ModelConfig,
} from './models/model-config.ts';
export { modelSignatureSchema, tensorSpecSchema } from './models/model-signature.ts';
export {
  MODEL_PLATFORMS,
  MODEL_STATUSES,
  modelFailureSchema,
  modelParitySchema,
  modelPerformanceSchema,
  modelVersionSchema,
  optimisedFormSchema,
  type ListedVersion,
  type ModelFailure,
  type ModelParity,
  type ModelPerformance,
  type ModelPlatform,
  type ModelStatus,
  type ModelVersion,
  type OptimisedForm,
  type ParityOutput,
} from './models/model-version.ts';
export {
  explainRunMemory,
  rowsForMemory,
  runMemoryOf,
  runMemorySchema,
  type InputShapes,
  type RunMemory,
  type RunMemoryLimit,
} from './models/run-memory.ts';
export {
  modelSchema,
  modelSettingsPatchSchema,
  poolSchema,
  type Model,
  type ModelList,
  type ModelSettings,
  type ModelSettingsPatch,
} from './models/model.ts';
export {
  loadRequestSchema,
  modelMetadataSchema,
  repositoryIndexRequestSchema,
  unloadRequestSchema,
  type ModelMetadata,
  type ModelReady,
  type ModelStats,
  type ModelStatsList,
  type RepositoryIndex,
  type TritonConfig,
} from './models/protocol-model.ts';
export { chunkJobSchema, chunkRangeSchema, plannerJobSchema } from './queue/batch-jobs.ts';
export type { ChunkJob, ChunkRange, PlannerJob } from './queue/batch-jobs.ts';
export { batchSpecSchema, chunkPartSchema, datasetLocationSchema } from './queue/batch-spec.ts';
export type { BatchSpec, ChunkPart, DatasetLocation } from './queue/batch-spec.ts';
export { inferJobSchema, queuedRequestSchema, type InferJob, type QueuedRequest } from './queue/infer-job.ts';
export { JOB_VERSION } from './queue/job-version.ts';
export { LANES, laneSchema, type Lane } from './queue/lane.ts';
export { noticeSchema, type Notice } from './queue/notice.ts';
export { registrationJobSchema, type RegistrationJob } from './queue/registration-job.ts';
export { replyMetaSchema, type Outcome, type Reply, type ReplyMeta } from './queue/reply.ts';
export { WEBHOOK_EVENT_TYPES, webhookJobSchema, type WebhookEventType, type WebhookJob } from './queue/webhook-job.ts';
export { webhookSecretSchema } from './queue/webhook-secret.ts';
export {
  poolBacklogSchema,
  type Live,
  type PoolBacklog,
  type ServerMetadata,
  type ServerReady,
} from './server/server.ts';
export type { Trace } from './traces/trace.ts';
export { workerReportSchema, type WorkerReport } from './queue/worker-report.ts';
export { traceContextSchema, type TraceContext } from './tracing/trace-context.ts';
