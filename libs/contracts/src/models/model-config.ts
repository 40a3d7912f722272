import * as z from 'zod';
import { MAX_RANK } from '@sconce/tensor';
import { requestBudgetSchema } from '../budget.ts';

/** Triton's names of element types. */
export const CONFIG_DATA_TYPES = [
  'TYPE_BOOL',
  'TYPE_UINT8',
  'TYPE_UINT16',
  'TYPE_UINT32',
  'TYPE_UINT64',
  'TYPE_INT8',
  'TYPE_INT16',
  'TYPE_INT32',
  'TYPE_INT64',
  'TYPE_FP16',
  'TYPE_FP32',
  'TYPE_FP64',
  'TYPE_BF16',
  'TYPE_STRING',
] as const;

export type ConfigDataType = (typeof CONFIG_DATA_TYPES)[number];

const tensorSchema = z
  .strictObject({
    name: z.string().min(1).max(256).describe('The tensor’s name in the model.'),
    data_type: z.enum(CONFIG_DATA_TYPES).describe('Its elements’ type.'),
    dims: z
      .array(z.int().min(-1))
      .max(MAX_RANK - 1)
      .describe('Sizes; -1 is a free axis. With max_batch_size above 0 the batch axis is left out, as in Triton.'),
  })
  .describe('A tensor.');

const tensorsSchema = z
  .array(tensorSchema)
  .min(1)
  .max(1024)
  .superRefine((tensors, context) => {
    const seen = new Set<string>();
    for (const [i, { name }] of tensors.entries()) {
      if (seen.has(name)) {
        context.addIssue({
          code: 'custom',
          path: [i, 'name'],
          message: 'is there twice: each tensor has its own name',
        });
      }
      seen.add(name);
    }
  });

const instanceGroupSchema = z
  .strictObject({
    name: z.string().optional().describe('Accepted and ignored.'),
    count: z.int().min(1).max(256).optional().describe('Threads of a worker that may hold the model.'),
    kind: z.enum(['KIND_CPU', 'KIND_AUTO']).optional().describe('Models run on CPUs: both say that.'),
  })
  .describe('Where the model runs.');

const warmupSchema = z
  .strictObject({
    name: z.string().optional().describe('For people.'),
    batch_size: z.int().min(1).max(65_536).describe('Rows in the run.'),
    count: z.int().min(0).max(100).optional().describe('How often. 1 unless said.'),
  })
  .describe('Runs of seeded random rows.');

const ignored = z.string().max(256).optional().describe('Accepted and ignored: the file itself says what it is.');

/**
 * Of a model's `config.json`: what its owner may say about it. Fields that Triton has carry Triton's names and meaning
 * (model_config.proto); `budget`, `method`, `arguments` and `tolerance` are ours. `parseModelConfig` says what is wrong with one.
 */
export const modelConfigSchema = z
  .strictObject({
    name: z.string().optional().describe('Must be the name the model is pushed under, where given.'),
    platform: ignored,
    backend: ignored,
    default_model_filename: ignored,
    max_batch_size: z
      .int()
      .min(0)
      .max(65_536)
      .optional()
      .describe('Most rows in one run. 0: rows of different requests never share a run.'),
    input: tensorsSchema.optional().describe('The inputs, where the file does not say what they are.'),
    output: tensorsSchema.optional().describe('The outputs; checked against what the model gives.'),
    dynamic_batching: z
      .strictObject({
        max_queue_delay_microseconds: z
          .int()
          .min(0)
          .max(10_000_000)
          .optional()
          .describe('How long a row may wait for others to share its run while threads are busy.'),
      })
      .optional()
      .describe('How rows of several requests come to share a run.'),
    instance_group: z.array(instanceGroupSchema).length(1).optional().describe('Where the model runs: one group.'),
    parameters: z
      .strictObject({
        intra_op_thread_count: z
          .strictObject({ string_value: z.string().regex(/^[1-9][0-9]{0,2}$/) })
          .optional()
          .describe('Threads that one run is spread over; what registration measured unless said.'),
      })
      .optional()
      .describe('Settings of the runtime.'),
    model_warmup: z.array(warmupSchema).max(16).optional().describe('Runs after a worker has loaded the model.'),
    budget: requestBudgetSchema.optional(),
    method: z.string().min(1).max(256).optional().describe('TorchScript: the method to compile; forward unless said.'),
    arguments: z
      .record(z.string(), z.union([z.number(), z.boolean(), z.string(), z.null()]))
      .optional()
      .describe('TorchScript: arguments that are fixed when the model is compiled.'),
    tolerance: z
      .strictObject({
        rtol: z.number().min(0).max(1).describe('Relative part.'),
        atol: z.number().min(0).describe('Absolute part.'),
      })
      .optional()
      .describe('How far outputs may be from the cases’: |error| <= atol + rtol * |expected|.'),
  })
  .superRefine(({ max_batch_size, model_warmup = [] }, context) => {
    for (const [i, { batch_size }] of model_warmup.entries()) {
      if (max_batch_size !== undefined && batch_size > Math.max(1, max_batch_size)) {
        const message = `is above max_batch_size (${max_batch_size}): no run has so many rows`;
        context.addIssue({ code: 'custom', path: ['model_warmup', i, 'batch_size'], message });
      }
    }
  })
  .describe('What the owner of a model may say about it when it is pushed to Sconce.');

/** What the owner of a model may say about it. */
export type ModelConfig = z.infer<typeof modelConfigSchema>;

/** The JSON Schema (draft 2020-12) of `config.json`, as docs/model-config.schema.json and the API publish it. */
export function modelConfigJsonSchema(): Record<string, unknown> {
  const { $schema, description, ...rest } = z.toJSONSchema(modelConfigSchema, { io: 'input' });
  return { $schema, title: 'config.json of a model in Sconce', description, ...rest };
}
