export { InferenceProducer } from './inference-producer.ts';
export type {
  InferenceAnswer,
  InferenceRequest,
  ProducerOptions,
  SubmitOptions,
  TraceContext,
} from './inference-producer.ts';
export type { RegistrationJob, RequestTiming } from './job-contracts.ts';
export type { IdempotencyClaim, JobRecord, JobStatus } from './job-records.ts';
export { LaneConsumer } from './lane-consumer.ts';
export type { DeliveredRequest, LaneConsumerOptions, RequestHandler } from './lane-consumer.ts';
export { ModelStatisticsWriter, type CountAndTime, type ModelStatistics } from './model-statistics.ts';
export { NoticeListener, type Notice } from './notices.ts';
export { queueConfigSchema, type QueueConfig } from './queue-config.ts';
export { MAX_DELIVERIES, REGISTRATION_QUEUE, laneQueueName, type Lane } from './queue-names.ts';
export { RegistrationConsumer, type RegistrationConsumerOptions } from './registration-consumer.ts';
