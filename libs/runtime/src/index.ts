export { probeBatchAxis, type BatchFinding } from './batch-proof.ts';
export { InferencePool, type RunCall, type RunResult } from './inference-pool.ts';
export {
  MicroBatcher,
  type BatchReply,
  type BatchRequest,
  type BatchRunner,
  type BatchableModel,
  type FinishedRun,
  type Lane,
  type RunRecord,
} from './micro-batcher.ts';
export { OnnxSession } from './onnx-session.ts';
export { runtimeConfigSchema, type RuntimeConfig } from './runtime-config.ts';
export type { ModelFile, Signature } from './thread-protocol.ts';
