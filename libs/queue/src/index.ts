// Types of requests and answers, for services that use only this library.
export type {
  BatchError,
  BatchRequestInput,
  FilePurpose,
  JobStatus,
  Lane,
  PoolBacklog,
  RequestTiming,
  TableOptions,
  TraceContext,
} from '@sconce/contracts';

// Producers: for the API, and for other services.
export { BatchProducer, fingerprintOf } from './batches/batch-producer.ts';
export { checkSameRequest, madeAndRemoved, type HeldKey, type UploadKey } from './records/upload-keys.ts';
export type { BatchProducerOptions, NewFile, SubmitBatchOptions } from './batches/batch-producer.ts';
export type { ModelLookup, SubmittableModel } from './batches/model-lookup.ts';
export { InferenceProducer } from './producers/inference-producer.ts';
export type { ProducerOptions, SubmitOptions } from './producers/inference-producer.ts';
export { traceIdOf, type InferenceAnswer, type InferenceRequest } from './producers/inference-request.ts';
export {
  ENDED,
  promiseAnswer,
  type AnswerListener,
  type BeginOptions,
  type InferencePort,
  type PendingAnswer,
  type PendingRequest,
} from './producers/inference-port.ts';
export {
  checkRowsAgree,
  priorityOf,
  requestFor,
  type ModelRequest,
  type RequestableModel,
} from './producers/model-request.ts';

// Consumers: for workers.
export { ChunkConsumer, type ChunkConsumerOptions, type DeliveredChunk } from './consumers/chunk-consumer.ts';
export { DeadWorkerJobs } from './consumers/dead-worker-jobs.ts';
export { FailedJobs, type FailedJobsOptions, type OwnedQueue } from './consumers/failed-jobs.ts';
export { FinalJobError, isOutage, type Confirm, type Delivery, type JobConsumer } from './consumers/job-consumer.ts';
export { LostJobs, type LostJobsOptions } from './consumers/lost-jobs.ts';
export { PlannerConsumer } from './consumers/planner-consumer.ts';
export { QueueConsumer } from './consumers/queue-consumer.ts';
export type { JobEvent, QueueConsumerOptions } from './consumers/queue-consumer.ts';
export { RegistrationConsumer, type RegistrationConsumerOptions } from './consumers/registration-consumer.ts';
export { RequestConsumer, type DeliveredRequest, type RequestHandler } from './consumers/request-consumer.ts';
export { WebhookConsumer, type WebhookConsumerOptions, type WebhookOutcome } from './consumers/webhook-consumer.ts';
export { BatchWork } from './batches/batch-work.ts';
export { WorkerReporter } from './load/worker-reporter.ts';
export { ModelStatisticsWriter } from './records/model-statistics.ts';
export { WorkerConnections } from './redis/worker-connections.ts';
export { StreamConsumer } from './streams/stream-consumer.ts';

// Queues and how they are set up.
export { queueConfigSchema, type QueueConfig } from './queue-config.ts';
export { PLANNER_QUEUE, REGISTRATION_QUEUE, WEBHOOK_QUEUE, laneQueueName } from './queue-names.ts';
export { MAX_DELIVERIES } from './queue-options.ts';
export type { QueueSnapshot } from './load/queue-snapshot.ts';

// Records.
export { batchErrorOf, type BatchCursor, type BatchRecord } from './batches/batch-record.ts';
export { BatchRecords, type ChangeResult } from './batches/batch-records.ts';
export type { FileContent, FileRecord, Removal } from './files/file-records.ts';
export type { StoredOutputs } from './records/job-results.ts';
export type { JobListOptions, JobPage } from './records/job-list.ts';
export type { IdempotencyClaim, JobRecord } from './records/job-records.ts';
export type { CountAndTime, CountedRequest, CountedRun, ModelStatistics } from './records/model-statistics.ts';
export { SuspectKinds, type SuspectKind } from './records/suspect-kinds.ts';
export type { Submitter } from './records/submitter.ts';
export type { VersionUsage } from './records/version-usage.ts';
export { webhookBody } from './webhooks/webhook-body.ts';
export { WebhookQueue } from './webhooks/webhook-queue.ts';
export { addressOfHost, checkWebhookUrl, specialPurposeOf, type WebhookUrlPolicy } from './webhooks/webhook-url.ts';
