export {
  proveBatchAxis,
  type BatchFinding,
  type BatchHints,
  type FixedRows,
  type ProvableModel,
} from './proof/batch-proof.ts';
export type { ProbeExamples } from './proof/probe-inputs.ts';
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
