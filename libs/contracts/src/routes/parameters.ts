import * as z from 'zod';

const model = z.string().describe('Name of the model.').meta({ example: 'digits' });
const version = z
  .string()
  .regex(/^[1-9][0-9]{0,9}$/)
  .describe('Number of the version.')
  .meta({ example: '1' });

/** `/…/{model}` */
export const modelParams = z.object({ model });

/** `/…/{model}/versions/{version}` */
export const versionParams = z.object({ model, version });

/** `/…/{id}` */
export const idParams = (what: string): z.ZodObject => z.object({ id: z.string().describe(`Id of the ${what}.`) });

/** Headers of requests that may be repeated. */
export const idempotencyHeaders = z.object({
  'Idempotency-Key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe(
      'Makes a repetition safe: the same key and request give the first answer. The request does not run again, also not after its job was removed.',
    ),
});

/** Headers of infer and job requests. */
export const inferHeaders = idempotencyHeaders.extend({
  'Inference-Header-Content-Length': z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe('Length of the JSON in the body, bytes, when binary tensors follow it. 0: the body is one raw tensor.'),
});
