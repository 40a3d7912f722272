export {
  proveBatchAxis,
  type BatchFinding,
  type BatchHints,
  type FixedRows,
  type ProvableModel,
} from './proof/batch-proof.ts';
export { tensorDeviation } from './proof/compare-rows.ts';
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
export { checkSession } from './check-session.ts';
export { OnnxSession, type ModelSource } from './onnx-session.ts';
export { FORM_FILES, formTarget, saveForm, type FormTarget } from './saved-form.ts';
export { runtimeConfigSchema, type RuntimeConfig } from './runtime-config.ts';
export type { FileDigest, ModelFile, Signature } from './thread-protocol.ts';
