import { SconceError } from '@sconce/errors';
import { modelBatchSchema, modelSignatureSchema, type ModelBatch } from '@sconce/contracts';
import type { ModelSignature } from '@sconce/tensor';
import * as z from 'zod';
import { modelConfigSchema, type ModelConfig } from './model-config.ts';

/** What an artifact is. */
export type ArtifactFormat = 'onnx' | 'torchscript';

/** The Open Inference Protocol's word for it. */
export type ModelPlatform = 'onnx_onnxv1' | 'pytorch_torchscript';

/**
 * A version's life: `receiving` (its artifact is being uploaded) → `compiling` → `proving` → `optimising` → `ready`, or
 * `failed` from any of them. See `checkTransition`.
 */
export type ModelStatus = 'receiving' | 'compiling' | 'proving' | 'optimising' | 'ready' | 'failed';

/** A file of a version in the store. */
export interface StoredFile {
  /** Blob key; its last part begins with the digest. */
  readonly key: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly size_bytes: number;
}

/** One output against the cases' own, over all calls. */
export interface ParityOutput {
  readonly name: string;
  readonly ok: boolean;
  /** Elements compared, and those beyond the tolerance. */
  readonly elements: number;
  readonly off: number;
  /** Largest errors; null where one side is NaN or infinite and the other is not. */
  readonly max_abs: number | null;
  readonly max_rel: number | null;
  /** max_abs over the spread (largest minus smallest) of the expected output; null where it has none. */
  readonly spread_rel: number | null;
  /** Why it is off, where that is no matter of numbers. */
  readonly reason?: string | undefined;
}

/** The model's outputs against PyTorch's own, as its cases give them. */
export interface ModelParity {
  readonly ok: boolean;
  readonly calls: number;
  readonly rtol: number;
  readonly atol: number;
  readonly outputs: readonly ParityOutput[];
}

/** The saved form that the registering worker made; workers of another CPU class make their own. */
export interface OptimisedForm {
  /** Instruction set extensions that its weights are laid out for. */
  readonly cpu_class: string;
  /** ONNX Runtime's version. */
  readonly runtime: string;
  readonly size_bytes: number;
}

/** Speed and memory as registration measured them: one thread, one session. */
export interface ModelPerformance {
  /** Opening the saved form, ms. */
  readonly load_ms: number;
  /** Memory that one session keeps for itself, beside weights it shares with others, bytes. */
  readonly memory_bytes: number;
  readonly batch_sizes: readonly {
    readonly rows: number;
    /** Median of one run, ms. */
    readonly latency_ms: number;
    readonly rows_per_s: number;
  }[];
  /** Rows of a run beyond which the speed per row hardly grows. */
  readonly best_rows: number;
  /** One run on all cores of the machine that measured it; not there for a model too quick to be spread. */
  readonly spread?:
    | {
        readonly threads: number;
        readonly rows: number;
        readonly latency_ms: number;
        readonly rows_per_s: number;
        /** Whether that is more than runs side by side give, one thread each: then it is how the model is run. */
        readonly chosen: boolean;
      }
    | undefined;
}

/** Why registration failed. */
export interface ModelFailure {
  readonly code: string;
  readonly message: string;
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
  /** Calls with PyTorch's own outputs, as they were pushed. */
  readonly cases?: StoredFile | undefined;
  /** A TorchScript artifact's graph in ONNX; its weights are ranges of the artifact, which lies beside it. */
  readonly compiled?: StoredFile | undefined;
  /** One call with its outputs, which a worker repeats after loading. */
  readonly check?: StoredFile | undefined;
  /** The compiler's remarks: what may differ from PyTorch. */
  readonly warnings?: readonly string[] | undefined;
  readonly parity?: ModelParity | undefined;
  readonly optimised?: OptimisedForm | undefined;
  readonly performance?: ModelPerformance | undefined;
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
  readonly config: ModelConfig;
  readonly warnings?: readonly string[] | undefined;
  readonly parity?: ModelParity | undefined;
  readonly optimised?: OptimisedForm | undefined;
  readonly performance?: ModelPerformance | undefined;
  /** Of the artifact. */
  readonly size_bytes: number;
  readonly created_at: string;
  readonly updated_at: string;
}

const storedFileSchema = z.strictObject({
  key: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size_bytes: z.int().nonnegative(),
});

const figure = z.number().nonnegative();

const paritySchema: z.ZodType<ModelParity> = z.strictObject({
  ok: z.boolean(),
  calls: z.int().nonnegative(),
  rtol: figure,
  atol: figure,
  outputs: z.array(
    z.strictObject({
      name: z.string(),
      ok: z.boolean(),
      elements: z.int().nonnegative(),
      off: z.int().nonnegative(),
      max_abs: figure.nullable(),
      max_rel: figure.nullable(),
      spread_rel: figure.nullable(),
      reason: z.string().optional(),
    }),
  ),
});

const performanceSchema: z.ZodType<ModelPerformance> = z.strictObject({
  load_ms: figure,
  memory_bytes: figure,
  batch_sizes: z.array(z.strictObject({ rows: z.int().positive(), latency_ms: figure, rows_per_s: figure })),
  best_rows: z.int().positive(),
  spread: z
    .strictObject({
      threads: z.int().positive(),
      rows: z.int().positive(),
      latency_ms: z.number().nonnegative(),
      rows_per_s: z.number().nonnegative(),
      chosen: z.boolean(),
    })
    .optional(),
});

/** Of `manifest.json`, as it is written; whoever reads one leaves out what it does not know (`stored`). */
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
      key: z.string(),
      format: z.enum(['onnx', 'torchscript']),
      size_bytes: z.int().nonnegative(),
      sha256: z.string().regex(/^([0-9a-f]{64})?$/),
    }),
    upload_id: z.string().min(1),
    signature: modelSignatureSchema.optional(),
    batch: modelBatchSchema.optional(),
    config: modelConfigSchema,
    cases: storedFileSchema.optional(),
    compiled: storedFileSchema.optional(),
    check: storedFileSchema.optional(),
    warnings: z.array(z.string()).optional(),
    parity: paritySchema.optional(),
    optimised: z.strictObject({ cpu_class: z.string(), runtime: z.string(), size_bytes: z.int() }).optional(),
    performance: performanceSchema.optional(),
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
  const { name, version, status, platform, config, artifact, created_at, updated_at } = manifest;
  const { error, signature, batch, warnings, parity, optimised, performance } = manifest;
  return {
    name,
    version,
    status,
    ...(error !== undefined ? { error } : {}),
    platform,
    ...(signature !== undefined ? { signature } : {}),
    ...(batch !== undefined ? { batch } : {}),
    config,
    ...(warnings !== undefined ? { warnings } : {}),
    ...(parity !== undefined ? { parity } : {}),
    ...(optimised !== undefined ? { optimised } : {}),
    ...(performance !== undefined ? { performance } : {}),
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
