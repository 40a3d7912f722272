import { SconceError } from '@sconce/errors';
import type { Datatype, TensorSpec } from '@sconce/tensor';
import { z } from 'zod';

/** What an artifact is. */
export type ArtifactFormat = 'onnx' | 'torchscript';

/** The Open Inference Protocol's word for it. */
export type ModelPlatform = 'onnx_onnxv1' | 'pytorch_torchscript';

/**
 * A version's life: `receiving` (its artifact is being uploaded) → `compiling` → `proving` → `optimising` → `ready`, or
 * `failed` from any of them. See `checkTransition`.
 */
export type ModelStatus = 'receiving' | 'compiling' | 'proving' | 'optimising' | 'ready' | 'failed';

/** What goes in and comes out; -1 stands for a free axis. */
export interface ModelSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** Whether rows of several requests may run together. */
export interface ModelBatch {
  /** `dynamic`: any number of rows; `locked`: exactly `size` rows; `none`: each request alone. */
  readonly axis: 'dynamic' | 'locked' | 'none';
  /** Rows; given exactly where `axis` is `locked`. */
  readonly size?: number | undefined;
  /** How that is known, for people. */
  readonly evidence: string;
}

/** What the owner of the model may set. */
export interface ModelConfig {
  /** Rows in one run at most. */
  readonly max_batch_size?: number | undefined;
}

/** Why registration failed. */
export interface ModelFailure {
  readonly code: string;
  readonly message: string;
}

/** The stored file. */
export interface ModelArtifact {
  /** Blob key. */
  readonly key: string;
  readonly format: ArtifactFormat;
  /** 0 while `receiving`. */
  readonly size_bytes: number;
  /** Lower-case hex; empty while `receiving`. */
  readonly sha256: string;
}

/** All that is known of one version, as kept in its `manifest.json`. */
export interface ModelManifest {
  readonly schema: 1;
  readonly name: string;
  readonly version: string;
  readonly status: ModelStatus;
  /** Given exactly where `status` is `failed`. */
  readonly error?: ModelFailure | undefined;
  readonly platform: ModelPlatform;
  /** The workers that serve the model. */
  readonly pool: string;
  readonly artifact: ModelArtifact;
  /** Tells two uploads of one version apart: caches of compiled models belong under it, not under the version alone. */
  readonly upload_id: string;
  /** Always there once `ready`. */
  readonly signature?: ModelSignature | undefined;
  readonly batch?: ModelBatch | undefined;
  readonly config: ModelConfig;
  /** ISO 8601, UTC. */
  readonly created_at: string;
  /** ISO 8601, UTC. */
  readonly updated_at: string;
}

/** What `/v1/models/{name}/versions/{version}` answers. */
export interface ModelResource {
  readonly name: string;
  readonly version: string;
  readonly status: ModelStatus;
  readonly error?: ModelFailure | undefined;
  readonly platform: ModelPlatform;
  readonly signature?: ModelSignature | undefined;
  readonly batch?: ModelBatch | undefined;
  readonly size_bytes: number;
  readonly created_at: string;
  readonly updated_at: string;
}

// A record, so that a datatype added to libs/tensor and forgotten here does not compile.
const DATATYPES: Readonly<Record<Datatype, true>> = {
  BOOL: true,
  UINT8: true,
  UINT16: true,
  UINT32: true,
  UINT64: true,
  INT8: true,
  INT16: true,
  INT32: true,
  INT64: true,
  FP16: true,
  FP32: true,
  FP64: true,
  BF16: true,
  BYTES: true,
};

const tensorSpecSchema = z.strictObject({
  name: z.string().min(1),
  datatype: z.enum(Object.keys(DATATYPES) as [Datatype, ...Datatype[]]),
  shape: z.array(z.int().min(-1)),
});

/** Of `signature` in a manifest. */
export const modelSignatureSchema: z.ZodType<ModelSignature> = z.strictObject({
  inputs: z.array(tensorSpecSchema),
  outputs: z.array(tensorSpecSchema),
});

/** Of `batch` in a manifest. */
export const modelBatchSchema: z.ZodType<ModelBatch> = z
  .strictObject({
    axis: z.enum(['dynamic', 'locked', 'none']),
    size: z.int().positive().optional(),
    evidence: z.string(),
  })
  .refine(
    (batch) => (batch.axis === 'locked') === (batch.size !== undefined),
    'size belongs to the axis "locked", and to no other',
  );

/** Of `config` in a manifest. */
export const modelConfigSchema: z.ZodType<ModelConfig> = z.strictObject({
  max_batch_size: z.int().positive().optional(),
});

/** Of `manifest.json`. Unknown fields are refused: another layout has another `schema` number. */
export const modelManifestSchema: z.ZodType<ModelManifest> = z
  .strictObject({
    schema: z.literal(1),
    name: z.string(),
    version: z.string(),
    status: z.enum(['receiving', 'compiling', 'proving', 'optimising', 'ready', 'failed']),
    error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
    platform: z.enum(['onnx_onnxv1', 'pytorch_torchscript']),
    pool: z.string().min(1),
    artifact: z.strictObject({
      key: z.string().min(1),
      format: z.enum(['onnx', 'torchscript']),
      size_bytes: z.int().nonnegative(),
      sha256: z.string().regex(/^([0-9a-f]{64})?$/),
    }),
    upload_id: z.string().min(1),
    signature: modelSignatureSchema.optional(),
    batch: modelBatchSchema.optional(),
    config: modelConfigSchema,
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
export function toModelResource(manifest: ModelManifest): ModelResource {
  const { name, version, status, error, platform, signature, batch, artifact, created_at, updated_at } = manifest;
  return {
    name,
    version,
    status,
    ...(error !== undefined ? { error } : {}),
    platform,
    ...(signature !== undefined ? { signature } : {}),
    ...(batch !== undefined ? { batch } : {}),
    size_bytes: artifact.size_bytes,
    created_at,
    updated_at,
  };
}

/** A manifest that can serve requests. */
export type ReadyManifest = ModelManifest & { readonly status: 'ready'; readonly signature: ModelSignature };

/** Returns the manifest if it is ready. @throws SconceError `model_not_ready`, with the reason where it failed. */
export function requireReady(manifest: ModelManifest): ReadyManifest {
  const { name, version, status, signature, error } = manifest;
  if (status === 'ready' && signature !== undefined) return { ...manifest, status, signature };
  const what = `version ${version} of model ${name}`;
  const message =
    status === 'failed'
      ? `${what} failed to register: ${error?.message ?? 'no reason is recorded'}. Mend the model and push it again`
      : `${what} is not ready yet, it is ${status}: wait until its status is "ready"`;
  throw new SconceError('model_not_ready', message, {
    details: { name, version, status, ...(error !== undefined ? { reason: error.code } : {}) },
  });
}
