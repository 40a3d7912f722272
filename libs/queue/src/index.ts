// Types of requests and answers, for services that use only this library.
export type { BatchRequestInput, Lane, RequestTiming, TableOptions, TraceContext } from '@sconce/contracts';
export type {
  BatchSpec,
  ChunkJob,
  ChunkPart,
  ChunkRange,
  DatasetLocation,
  PlannerJob,
} from './batches/batch-contracts.ts';
export { BatchProducer, fingerprintOf } from './batches/batch-producer.ts';
export type { BatchProducerOptions, NewFile, SubmitBatchOptions } from './batches/batch-producer.ts';
export { batchErrorOf, type BatchCursor, type BatchError, type BatchRecord } from './batches/batch-record.ts';
export { BatchRecords } from './batches/batch-records.ts';
export { BatchWork } from './batches/batch-work.ts';
export type { ModelLookup, SubmittableModel } from './batches/model-lookup.ts';
export { PlannerConsumer } from './consumers/planner-consumer.ts';
export type { FileContent, FilePurpose, FileRecord, Removal } from './files/file-records.ts';
export { PoolReporter, type PoolBacklog } from './load/worker-reports.ts';
export type { Census, QueueCensus } from './load/queue-snapshot.ts';
export { InferenceProducer } from './producers/inference-producer.ts';
export type { ProducerOptions, SubmitOptions } from './producers/inference-producer.ts';
export { traceIdOf, type InferenceAnswer, type InferenceRequest } from './producers/inference-request.ts';
export type { RegistrationJob } from './job-contracts.ts';
export type { IdempotencyClaim, JobRecord, JobStatus } from './records/job-records.ts';
export { LaneConsumer } from './consumers/lane-consumer.ts';
export type {
  DeliveredChunk,
  DeliveredRequest,
  LaneConsumerOptions,
  RequestHandler,
} from './consumers/lane-consumer.ts';
export {
  checkRowsAgree,
  priorityOf,
  requestFor,
  type ModelRequest,
  type RequestableModel,
} from './producers/model-request.ts';
export { ModelStatisticsWriter, type CountAndTime, type ModelStatistics } from './records/model-statistics.ts';
export { NoticeListener, type Notice } from './messages/notices.ts';
export { queueConfigSchema, type QueueConfig } from './queue-config.ts';
export { MAX_DELIVERIES, PLANNER_QUEUE, REGISTRATION_QUEUE, WEBHOOK_QUEUE, laneQueueName } from './queue-names.ts';
export type { Submitter } from './records/submitter.ts';
export type { VersionUsage } from './records/version-usage.ts';
export { RegistrationConsumer, type RegistrationConsumerOptions } from './consumers/registration-consumer.ts';
export { WebhookConsumer, type WebhookConsumerOptions } from './consumers/webhook-consumer.ts';
export {
  webhookBody,
  type WebhookEventType,
  type WebhookJob,
  type WebhookOutcome,
} from './webhooks/webhook-contracts.ts';
export { WebhookQueue } from './webhooks/webhook-queue.ts';
export { addressOfHost, checkWebhookUrl, specialPurposeOf, type WebhookUrlPolicy } from './webhooks/webhook-url.ts';
