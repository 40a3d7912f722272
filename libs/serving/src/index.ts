export { GuardedRuns, type GuardedRunsOptions, type RunPort, type SuspectKindStore } from './inference/guarded-runs.ts';
export { InferenceProcessor, type InferenceProcessorOptions } from './inference/inference.processor.ts';
export { RunStatistics, type StatisticsTotals } from './inference/run-statistics.ts';
export { ServedModels, type ModelFinder, type ServedModelsOptions } from './inference/served-models.ts';
export { KeptModels, type KeptModel, type KeptModelsOptions } from './kept/kept-models.ts';
export { findModelFiles, type ModelEntry } from './kept/model-entry.ts';
export { LocalModels, type LocalModelsOptions } from './local/local-models.ts';
export { LocalRunner, type LocalRunnerOptions } from './local/local-runner.ts';
export { LocalStatistics } from './local/local-statistics.ts';
export { runIsolated, type IsolationLimits } from './registration/isolated-process.ts';
export {
  ModelRegistration,
  type ModelRegistrationOptions,
  type RegistrationStage,
} from './registration/model-registration.ts';
