export type { DiskUsage } from './disk-usage.ts';
export type { ModelId } from './manifest-store.ts';
export {
  ModelDirectory,
  modelDirectoryConfigSchema,
  requireRunnable,
  type ModelDirectoryConfigInput,
  type ModelDirectoryOptions,
  type ResolvedModel,
} from './model-directory.ts';
export {
  CONFIG_DATA_TYPES,
  configSignature,
  modelConfigJsonSchema,
  modelConfigSchema,
  type ModelConfig,
} from './model-config.ts';
export {
  modelManifestSchema,
  requireReady,
  toModelResource,
  type ArtifactFormat,
  type ModelArtifact,
  type ModelFailure,
  type ModelManifest,
  type ModelParity,
  type ModelPerformance,
  type ModelPlatform,
  type ModelResource,
  type ModelStatus,
  type OptimisedForm,
  type ParityOutput,
  type ReadyManifest,
  type StoredFile,
} from './model-manifest.ts';
export { MAX_MODEL_VERSION, compareVersions, parseModelName, parseModelVersion } from './model-name.ts';
export { ModelFiles, type FormFile, type SavedForm } from './model-files.ts';
export { ModelRepository, type ManifestPatch, type ModelRepositoryOptions } from './model-repository.ts';
export { LATEST, type ModelState } from './model-state.ts';
export type { ReceiveOptions } from './model-uploads.ts';
export { parseModelConfig } from './parse-model-config.ts';
export { SNIFF_HEAD_BYTES, sniffFormat } from './sniff-format.ts';
