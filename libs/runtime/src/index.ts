export type { BatchFinding, BatchHints, FixedRows, ProvableModel } from './proof/batch-finding.ts';
export { proveBatchAxis } from './proof/batch-proof.ts';
export { tensorDeviation } from './proof/compare-rows.ts';
export type { ProbeExamples } from './proof/probe-inputs.ts';
export { InferencePool, type RunCall, type RunResult } from './inference-pool.ts';
export type {
  BatchReply,
  BatchRequest,
  BatchRunner,
  BatchableModel,
  FinishedRun,
  MeasuredRun,
  RunRecord,
} from './batching/batch-request.ts';
export type { HungRun } from './run-watch.ts';
export { MicroBatcher } from './batching/micro-batcher.ts';
export { SacrificialRunner, type SacrificialRunnerOptions } from './sacrificial/sacrificial-runner.ts';
export { isHollow, kindOf, triedKindOf } from './sacrificial/request-kind.ts';
export { SuspectQueue } from './sacrificial/suspect-queue.ts';
export { checkSession } from './check-session.ts';
export { outputRowBytes } from './output-budget.ts';
export { OnnxSession, type ModelSource } from './onnx-session.ts';
export { FORM_FILES, formTarget, saveForm, type FormTarget } from './saved-form.ts';
export { runtimeConfigSchema, type RuntimeConfig } from './runtime-config.ts';
export { NO_THREAD, modelFileKey, type FileDigest, type ModelFile } from './thread-protocol.ts';
