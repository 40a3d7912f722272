import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';
import { CONFIG_DATA_TYPES, modelConfigSchema } from './model-config.ts';
import { tensorSpecSchema } from './model-signature.ts';
import { MODEL_PLATFORMS } from './model-version.ts';

/** A model as the Open Inference Protocol describes it. */
export const modelMetadataSchema = z
  .object({
    name: z.string(),
    versions: z.array(z.string()).describe('Versions that are ready.'),
    platform: z.enum(MODEL_PLATFORMS),
    inputs: z.array(tensorSpecSchema),
    outputs: z.array(tensorSpecSchema),
  })
  .meta({ id: 'ModelMetadata', description: 'A model as the Open Inference Protocol describes it.' });

export type ModelMetadata = DeepReadonly<z.infer<typeof modelMetadataSchema>>;

/** Whether a model takes requests. */
export const modelReadySchema = z
  .object({ name: z.string(), ready: z.boolean() })
  .meta({ id: 'ModelReady', description: 'Whether a model takes requests.' });

export type ModelReady = DeepReadonly<z.infer<typeof modelReadySchema>>;

const configTensor = z.object({
  name: z.string(),
  data_type: z.enum(CONFIG_DATA_TYPES),
  dims: z.array(z.int()).describe('Sizes without the batch axis; -1 is a free axis.'),
});

/** A model in Triton's ModelConfig form. */
export const tritonConfigSchema = z
  .object({
    name: z.string(),
    platform: z.literal('onnxruntime_onnx'),
    backend: z.literal('onnxruntime'),
    version_policy: z.object({ latest: z.object({ num_versions: z.int() }) }),
    max_batch_size: z.int().describe('Above 0: rows of several requests may share a run. It does not limit requests.'),
    input: z.array(configTensor),
    output: z.array(configTensor),
    dynamic_batching: z.object({ max_queue_delay_microseconds: z.int().optional() }).optional(),
    instance_group: z.array(z.object({ name: z.string(), kind: z.literal('KIND_CPU'), count: z.int() })),
    parameters: modelConfigSchema.shape.parameters,
    model_warmup: modelConfigSchema.shape.model_warmup,
  })
  .meta({ id: 'TritonModelConfig', description: 'A model in the form of Triton’s ModelConfig.' });

export type TritonConfig = DeepReadonly<z.infer<typeof tritonConfigSchema>>;

const countAndTime = z.object({ count: z.int(), ns: z.number().describe('Nanoseconds.') });
const runTimes = { compute_input: countAndTime, compute_infer: countAndTime, compute_output: countAndTime };

/** Totals of one version over all workers since it was registered. */
export const modelStatsSchema = z
  .object({
    name: z.string(),
    version: z.string(),
    last_inference: z.number().describe('Epoch ms of the last answer; 0 if there is none.'),
    inference_count: z.number().describe('Rows of successful runs.'),
    execution_count: z.number().describe('Runs.'),
    inference_stats: z.object({
      success: countAndTime,
      fail: countAndTime.describe(
        'Requests that failed, that came to no answer in time, or that were refused for want of room.',
      ),
      fail_by_reason: z.record(z.string(), countAndTime).describe('The same by error code. Triton has no such field.'),
      queue: countAndTime.describe('Time in the queue and in a worker before the run.'),
      ...runTimes,
      cache_hit: countAndTime,
      cache_miss: countAndTime,
    }),
    response_stats: z.object({}),
    batch_stats: z.array(z.object({ batch_size: z.int(), ...runTimes })).describe('By rows in a run.'),
    memory_usage: z.array(z.object({})),
  })
  .meta({ id: 'ModelStatistics', description: 'Totals of one version over all workers since it was registered.' });

export type ModelStats = DeepReadonly<z.infer<typeof modelStatsSchema>>;

/** The answer of the statistics extension. */
export const modelStatsListSchema = z
  .object({ model_stats: z.array(modelStatsSchema) })
  .meta({ id: 'ModelStatisticsList', description: 'Totals of versions.' });

export type ModelStatsList = DeepReadonly<z.infer<typeof modelStatsListSchema>>;

/** One version in the repository index. */
export const repositoryIndexSchema = z
  .array(
    z.object({
      name: z.string(),
      version: z.string(),
      state: z.enum(['READY', 'LOADING', 'UNAVAILABLE']),
      reason: z.string().describe('Why the version is not ready; empty if it is.'),
    }),
  )
  .meta({ id: 'RepositoryIndex', description: 'Every version of every model with its state.' });

export type RepositoryIndex = DeepReadonly<z.infer<typeof repositoryIndexSchema>>;

/** Body of a request for the index. */
export const repositoryIndexRequestSchema = z.strictObject({
  ready: z.boolean().default(false).describe('Only versions that are ready.'),
});

/** Body of a request to load a model. */
export const loadRequestSchema = z.strictObject({
  parameters: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Accepted for compatibility. `config` and `file:…` are refused: push a version instead.'),
});

/** Body of a request to unload a model. */
export const unloadRequestSchema = z.strictObject({
  parameters: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('`unload_dependents` is accepted: models have no dependents.'),
});
