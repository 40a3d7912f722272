export type { ModelId } from './manifest-store.ts';
export {
  ModelDirectory,
  modelDirectoryConfigSchema,
  type ModelDirectoryConfigInput,
  type ModelDirectoryOptions,
  type ResolvedModel,
} from './model-directory.ts';
export {
  modelBatchSchema,
  modelConfigSchema,
  modelManifestSchema,
  modelSignatureSchema,
  requireReady,
  toModelResource,
  type ArtifactFormat,
  type ModelArtifact,
  type ModelBatch,
  type ModelConfig,
  type ModelFailure,
  type ModelManifest,
  type ModelPlatform,
  type ModelResource,
  type ModelSignature,
  type ModelStatus,
  type ReadyManifest,
} from './model-manifest.ts';
export { MAX_MODEL_VERSION, compareVersions, parseModelName, parseModelVersion } from './model-name.ts';
export { ModelRepository, type ManifestPatch, type ModelRepositoryOptions } from './model-repository.ts';
export type { ReceiveOptions } from './model-uploads.ts';
export { SNIFF_HEAD_BYTES, sniffFormat } from './sniff-format.ts';
