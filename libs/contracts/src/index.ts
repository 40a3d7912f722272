export type { DeepReadonly } from './deep-readonly.ts';
export { BATCH_STATUSES, FINAL_STATUSES, type BatchStatus, type FinalBatchStatus } from './batches/batch-status.ts';
export {
  BATCH_FORMATS,
  batchRequestSchema,
  tableSchema,
  type BatchFormat,
  type BatchRequest,
  type BatchRequestInput,
  type TableOptions,
} from './batches/batch-request.ts';
export { requestTimingSchema, type RequestTiming } from './inference/request-timing.ts';
export { BATCH_AXES, modelBatchSchema, type BatchAxis, type ModelBatch } from './models/model-batch.ts';
export { modelSignatureSchema, tensorSpecSchema } from './models/model-signature.ts';
export { LANES, laneSchema, type Lane } from './queue/lane.ts';
export { webhookSecretSchema } from './queue/webhook-secret.ts';
export { traceContextSchema, type TraceContext } from './tracing/trace-context.ts';
