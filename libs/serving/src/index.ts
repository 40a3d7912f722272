export { InferenceProcessor, type InferenceProcessorOptions } from './inference/inference.processor.ts';
export { RunStatistics, type StatisticsTotals } from './inference/run-statistics.ts';
export { ServedModels, type ModelFinder, type ServedModelsOptions } from './inference/served-models.ts';
export { runIsolated, type IsolationLimits } from './registration/isolated-process.ts';
export {
  ModelRegistration,
  type ModelRegistrationOptions,
  type RegistrationStage,
} from './registration/model-registration.ts';
