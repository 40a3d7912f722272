export {
  BATCH_FORMATS,
  BATCH_STATUSES,
  FINAL_STATUSES,
  batchRequestSchema,
  type BatchRequestInput,
  type BatchSpec,
  type BatchStatus,
  type ChunkJob,
  type ChunkPart,
  type ChunkRange,
  type DatasetLocation,
  type PlannerJob,
  type TableOptions,
} from './batches/batch-contracts.ts';
export { BatchProducer, fingerprintOf } from './batches/batch-producer.ts';
export type { BatchProducerOptions, NewFile, SubmitBatchOptions } from './batches/batch-producer.ts';
export { batchErrorOf, type BatchCursor, type BatchError, type BatchRecord } from './batches/batch-record.ts';
export { BatchRecords } from './batches/batch-records.ts';
export { BatchWork } from './batches/batch-work.ts';
export type { ModelLookup, SubmittableModel } from './batches/model-lookup.ts';
export { PlannerConsumer } from './batches/planner-consumer.ts';
export type { FileContent, FilePurpose, FileRecord, Removal } from './files/file-records.ts';
export { PoolReporter, type PoolBacklog } from './pool-load.ts';
export type { Census, QueueCensus } from './queue-census.ts';
export { InferenceProducer } from './inference-producer.ts';
export type { ProducerOptions, SubmitOptions } from './inference-producer.ts';
export { traceIdOf, type InferenceAnswer, type InferenceRequest, type TraceContext } from './inference-request.ts';
export type { RegistrationJob, RequestTiming } from './job-contracts.ts';
export type { IdempotencyClaim, JobRecord, JobStatus } from './job-records.ts';
export { LaneConsumer } from './lane-consumer.ts';
export type { DeliveredChunk, DeliveredRequest, LaneConsumerOptions, RequestHandler } from './lane-consumer.ts';
export { checkRowsAgree, priorityOf, requestFor, type ModelRequest, type RequestableModel } from './model-request.ts';
export { ModelStatisticsWriter, type CountAndTime, type ModelStatistics } from './model-statistics.ts';
export { NoticeListener, type Notice } from './notices.ts';
export { queueConfigSchema, type QueueConfig } from './queue-config.ts';
export {
  MAX_DELIVERIES,
  PLANNER_QUEUE,
  REGISTRATION_QUEUE,
  WEBHOOK_QUEUE,
  laneQueueName,
  type Lane,
} from './queue-names.ts';
export type { Submitter } from './submitter.ts';
export type { VersionUsage } from './version-usage.ts';
export { RegistrationConsumer, type RegistrationConsumerOptions } from './registration-consumer.ts';
export { WebhookConsumer, type WebhookConsumerOptions } from './webhooks/webhook-consumer.ts';
export {
  webhookBody,
  webhookSecretSchema,
  type WebhookEventType,
  type WebhookJob,
  type WebhookOutcome,
} from './webhooks/webhook-contracts.ts';
export { WebhookQueue } from './webhooks/webhook-queue.ts';
export { addressOfHost, checkWebhookUrl, specialPurposeOf, type WebhookUrlPolicy } from './webhooks/webhook-url.ts';
