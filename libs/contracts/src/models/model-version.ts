import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';
import { modelBatchSchema } from './model-batch.ts';
import { modelConfigSchema } from './model-config.ts';
import { modelSignatureSchema } from './model-signature.ts';
import { runMemorySchema } from './run-memory.ts';
import { openAiModelFields } from './openai-model.ts';

/**
 * The states of a version: `receiving` (its artifact is being uploaded) → `compiling` → `proving` → `optimising` → `ready`, or `failed`
 * from any of them.
 */
export const MODEL_STATUSES = ['receiving', 'compiling', 'proving', 'optimising', 'ready', 'failed'] as const;

export type ModelStatus = (typeof MODEL_STATUSES)[number];

/** Formats of artifacts, as the Open Inference Protocol names them. */
export const MODEL_PLATFORMS = ['onnx_onnxv1', 'pytorch_torchscript'] as const;

export type ModelPlatform = (typeof MODEL_PLATFORMS)[number];

const figure = z.number().nonnegative();

/** Why registration failed. */
export const modelFailureSchema = z.strictObject({ code: z.string(), message: z.string() });

export type ModelFailure = DeepReadonly<z.infer<typeof modelFailureSchema>>;

/** One output compared with the outputs of the cases, over all calls. */
export const parityOutputSchema = z.strictObject({
  name: z.string(),
  ok: z.boolean(),
  elements: z.int().nonnegative().describe('Elements that were compared.'),
  off: z.int().nonnegative().describe('Elements beyond the tolerance.'),
  max_abs: figure
    .nullable()
    .describe('Largest absolute error; null if one side is NaN or infinite and the other is not.'),
  max_rel: figure.nullable().describe('Largest relative error; null in the same case.'),
  spread_rel: figure
    .nullable()
    .describe('max_abs over the spread (largest minus smallest) of the expected output; null if it has none.'),
  reason: z.string().optional().describe('Why it differs, if that has nothing to do with numbers.'),
});

export type ParityOutput = DeepReadonly<z.infer<typeof parityOutputSchema>>;

/** The outputs of a version compared with PyTorch's own, which its cases give. */
export const modelParitySchema = z
  .strictObject({
    ok: z.boolean(),
    calls: z.int().nonnegative(),
    rtol: figure,
    atol: figure,
    outputs: z.array(parityOutputSchema),
  })
  .meta({
    id: 'ModelParity',
    description: 'The outputs compared with those of the cases. Present if cases were pushed.',
  });

export type ModelParity = DeepReadonly<z.infer<typeof modelParitySchema>>;

/** Speed and memory as registration measured them: one thread, one session. */
export const modelPerformanceSchema = z
  .strictObject({
    load_ms: figure.describe('Time to open the saved form.'),
    memory_bytes: figure.describe('Memory of one session, besides weights that sessions share.'),
    run_memory: runMemorySchema.optional(),
    batch_sizes: z
      .array(z.strictObject({ rows: z.int().positive(), latency_ms: figure, rows_per_s: figure }))
      .describe('Median time of one run, by its number of rows.'),
    best_rows: z.int().positive().describe('Rows of a run above which the speed per row hardly grows.'),
    spread: z
      .strictObject({
        threads: z.int().positive(),
        rows: z.int().positive(),
        latency_ms: figure,
        rows_per_s: figure,
        chosen: z
          .boolean()
          .describe('Whether this is faster than runs side by side. If so, the model is run this way.'),
      })
      .optional()
      .describe('One run on all cores. Absent for a model that is too quick for that.'),
  })
  .meta({
    id: 'ModelPerformance',
    description: 'Speed and memory as registration measured them: one thread, one session.',
  });

export type ModelPerformance = DeepReadonly<z.infer<typeof modelPerformanceSchema>>;

/** The saved form that the registering worker made; workers of another CPU class make their own. */
export const optimisedFormSchema = z
  .strictObject({
    cpu_class: z.string().describe('Instruction set extensions that its weights are laid out for.'),
    runtime: z.string().describe('Version of ONNX Runtime.'),
    size_bytes: z.int(),
  })
  .meta({ id: 'OptimisedForm', description: 'The saved form for workers, and what it was made for.' });

export type OptimisedForm = DeepReadonly<z.infer<typeof optimisedFormSchema>>;

const version = z.object({
  name: z.string().describe('Name of the model.'),
  version: z.string(),
  status: z.enum(MODEL_STATUSES),
  error: modelFailureSchema
    .optional()
    .describe('Why registration failed. Present exactly when the status is `failed`.'),
  platform: z.enum(MODEL_PLATFORMS),
  signature: modelSignatureSchema.optional().describe('Inputs and outputs. Present when the status is `ready`.'),
  batch: modelBatchSchema.optional(),
  unbounded: z
    .boolean()
    .optional()
    .describe('A loop of the model ends when values of the inputs say so: sizes do not bound the time of a run.'),
  config: modelConfigSchema.describe('As it was pushed. `GET /v1/model-config.schema.json` is its schema.'),
  warnings: z.array(z.string()).optional().describe('What may differ from PyTorch.'),
  parity: modelParitySchema.optional(),
  optimised: optimisedFormSchema.optional(),
  performance: modelPerformanceSchema.optional(),
  size_bytes: z.int().describe('Size of the artifact.'),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});

/** One version of a model. */
export const modelVersionSchema = version.meta({ id: 'ModelVersion', description: 'One version of a model.' });

export type ModelVersion = DeepReadonly<z.infer<typeof modelVersionSchema>>;

/** One version as listings show it. */
export const listedVersionSchema = version
  .extend({
    ...openAiModelFields,
    serving: z.boolean().describe('Whether requests without a version get this one.'),
    disk_bytes: z.int().describe('Size of all its files in the store.'),
    quarantined: z
      .string()
      .optional()
      .describe('Why workers do not run it: its runs did not end. `loaded: true` for the model lets it run again.'),
  })
  .meta({ id: 'ListedVersion', description: 'One version of a model, as listings show it.' });

export type ListedVersion = DeepReadonly<z.infer<typeof listedVersionSchema>>;
