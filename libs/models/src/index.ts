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
export { configDataTypeOf, configSignature } from './config-signature.ts';
export {
  modelManifestSchema,
  requireReady,
  toModelVersion,
  type ArtifactFormat,
  type ModelArtifact,
  type ModelManifest,
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
