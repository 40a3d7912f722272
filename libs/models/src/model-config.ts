import { z } from 'zod';

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

const tensorSchema = z.strictObject({
  name: z.string().min(1).describe('The tensor’s name in the model.'),
  data_type: z.enum(CONFIG_DATA_TYPES),
  dims: z
    .array(z.int().min(-1))
    .describe('Sizes; -1 is a free axis. With max_batch_size above 0 the batch axis is left out, as in Triton.'),
});

const bounded = z.number().nonnegative().max(1);

/**
 * Of a model's `config.json`: what its owner may say about it. Fields that Triton has carry Triton's names and meaning
 * (model_config.proto); the others are ours.
 */
export const modelConfigSchema = z.strictObject({
  name: z.string().optional().describe('Must be the name the model is pushed under, where given.'),
  max_batch_size: z
    .int()
    .min(0)
    .max(65_536)
    .optional()
    .describe('Most rows in one run. 0: rows of different requests never share a run.'),
  input: z.array(tensorSchema).min(1).optional().describe('The inputs, where the file does not say what they are.'),
  output: z.array(tensorSchema).min(1).optional().describe('The outputs; checked against what the model gives.'),
  dynamic_batching: z
    .strictObject({
      max_queue_delay_microseconds: z
        .int()
        .min(0)
        .max(10_000_000)
        .optional()
        .describe('How long a row may wait for others to share its run while threads are busy.'),
    })
    .optional(),
  instance_group: z
    .array(z.strictObject({ count: z.int().min(1).max(256), kind: z.enum(['KIND_CPU', 'KIND_AUTO']).optional() }))
    .length(1)
    .optional()
    .describe('Threads of a worker that may hold the model.'),
  model_warmup: z
    .array(
      z.strictObject({
        name: z.string().optional(),
        batch_size: z.int().min(1).max(65_536),
        count: z.int().min(0).max(100).optional(),
      }),
    )
    .max(16)
    .optional()
    .describe('Runs of seeded random rows after a worker has loaded the model.'),
  method: z.string().min(1).optional().describe('TorchScript: the method to compile; forward unless said.'),
  arguments: z
    .record(z.string(), z.union([z.number(), z.boolean(), z.string(), z.null()]))
    .optional()
    .describe('TorchScript: arguments that are fixed when the model is compiled.'),
  tolerance: z
    .strictObject({ rtol: bounded, atol: z.number().nonnegative() })
    .optional()
    .describe('How far outputs may be from the cases’: |error| <= atol + rtol * |expected|.'),
});

/** What the owner of a model may say about it. */
export type ModelConfig = z.infer<typeof modelConfigSchema>;
