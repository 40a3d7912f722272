import {
  MODEL_PLATFORMS,
  MODEL_STATUSES,
  modelBatchSchema,
  modelConfigSchema,
  modelFailureSchema,
  modelParitySchema,
  modelPerformanceSchema,
  modelSignatureSchema,
  optimisedFormSchema,
  type ModelBatch,
  type ModelConfig,
  type ModelFailure,
  type ModelParity,
  type ModelPerformance,
  type ModelPlatform,
  type ModelStatus,
  type ModelVersion,
  type OptimisedForm,
} from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { ModelSignature } from '@sconce/tensor';
import * as z from 'zod';

/** What an artifact is. */
export type ArtifactFormat = 'onnx' | 'torchscript';

/** A file of a version in the store. */
export interface StoredFile {
  /** Blob key; its last part begins with the digest. */
  readonly key: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly size_bytes: number;
}

/** The stored file. */
export interface ModelArtifact {
  /** Blob key; empty while `receiving`. */
  readonly key: string;
  readonly format: ArtifactFormat;
  /** 0 while `receiving`. */
  readonly size_bytes: number;
  /** Lower-case hex; empty while `receiving`. */
  readonly sha256: string;
}

/** The stored description of one version: the content of its `manifest.json`. */
export interface ModelManifest {
  readonly schema: 1;
  readonly name: string;
  readonly version: string;
  readonly status: ModelStatus;
  /** Present exactly when `status` is `failed`. */
  readonly error?: ModelFailure | undefined;
  readonly platform: ModelPlatform;
  /** The workers that serve the model. */
  readonly pool: string;
  readonly artifact: ModelArtifact;
  /** Differs for every upload of a version. Caches of compiled models must use it in their keys, not the version alone. */
  readonly upload_id: string;
  /** Always present when `ready`. */
  readonly signature?: ModelSignature | undefined;
  readonly batch?: ModelBatch | undefined;
  /** A loop ends when values of the inputs say so: sizes do not bound the time of a run. */
  readonly unbounded?: boolean | undefined;
  readonly config: ModelConfig;
  /** The pushed cases: calls with PyTorch's own outputs. */
  readonly cases?: StoredFile | undefined;
  /** The ONNX graph of a TorchScript artifact. Its weights are ranges of the artifact, which is in the same folder. */
  readonly compiled?: StoredFile | undefined;
  /** The check call: workers repeat it after they load the model. */
  readonly check?: StoredFile | undefined;
  /** Warnings of the compiler: what may differ from PyTorch. */
  readonly warnings?: readonly string[] | undefined;
  readonly parity?: ModelParity | undefined;
  readonly optimised?: OptimisedForm | undefined;
  readonly performance?: ModelPerformance | undefined;
  /** ISO 8601, UTC. */
  readonly created_at: string;
  /** ISO 8601, UTC. */
  readonly updated_at: string;
}

const storedFileSchema = z.strictObject({
  key: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size_bytes: z.int().nonnegative(),
});

/** Schema of `manifest.json` when it is written. Readers ignore unknown fields (`stored`). */
export const modelManifestSchema: z.ZodType<ModelManifest> = z
  .strictObject({
    schema: z.literal(1),
    name: z.string(),
    version: z.string(),
    status: z.enum(MODEL_STATUSES),
    error: modelFailureSchema.optional(),
    platform: z.enum(MODEL_PLATFORMS),
    pool: z.string().min(1),
    artifact: z.strictObject({
      key: z.string(),
      format: z.enum(['onnx', 'torchscript']),
      size_bytes: z.int().nonnegative(),
      sha256: z.string().regex(/^([0-9a-f]{64})?$/),
    }),
    upload_id: z.string().min(1),
    signature: modelSignatureSchema.optional(),
    batch: modelBatchSchema.optional(),
    unbounded: z.boolean().optional(),
    config: modelConfigSchema,
    cases: storedFileSchema.optional(),
    compiled: storedFileSchema.optional(),
    check: storedFileSchema.optional(),
    warnings: z.array(z.string()).optional(),
    parity: modelParitySchema.optional(),
    optimised: optimisedFormSchema.optional(),
    performance: modelPerformanceSchema.optional(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .refine(
    (manifest) => (manifest.status === 'failed') === (manifest.error !== undefined),
    'error belongs to the status "failed", and to no other',
  )
  .refine(
    (manifest) => manifest.status !== 'ready' || manifest.signature !== undefined,
    'a ready version needs its signature',
  )
  .refine(
    (manifest) => ['receiving', 'failed'].includes(manifest.status) || manifest.artifact.sha256 !== '',
    'the artifact of a received version needs its sha256',
  );

/** The part of a manifest that the API shows. */
export function toModelVersion(manifest: ModelManifest): ModelVersion {
  const { name, version, status, platform, config, artifact, created_at, updated_at } = manifest;
  const { error, signature, batch, unbounded, warnings, parity, optimised, performance } = manifest;
  return {
    name,
    version,
    status,
    error,
    platform,
    signature,
    batch,
    unbounded,
    config,
    warnings,
    parity,
    optimised,
    performance,
    size_bytes: artifact.size_bytes,
    created_at,
    updated_at,
  };
}

/** A manifest that can serve requests. */
export type ReadyManifest = ModelManifest & { readonly status: 'ready'; readonly signature: ModelSignature };

/** Returns the manifest if it is ready. @throws SconceError `model_not_ready`, with the reason if registration failed. */
export function requireReady(manifest: ModelManifest): ReadyManifest {
  const { name, version, status, signature, error } = manifest;
  if (status === 'ready' && signature !== undefined) return { ...manifest, status, signature };
  const what = `version ${version} of model ${name}`;
  const message =
    status === 'failed'
      ? `${what} failed to register: ${error?.message ?? 'no reason is recorded'}. Mend the model and push it again`
      : `${what} is not ready yet, it is ${status}: wait until its status is "ready"`;
  throw new SconceError('model_not_ready', message, {
    details: { name, version, status, reason: error?.code },
  });
}
