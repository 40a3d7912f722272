import * as z from 'zod';
import { DATATYPES } from '@sconce/tensor';

const parameters = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
  .describe('Parameters of the protocol and its extensions.');

const shape = z.array(z.int().min(0));
const datatype = z.enum(DATATYPES);
const data = z
  .array(z.unknown())
  .optional()
  .describe(
    'Row-major, nested or flat. Floats may be the strings `NaN`, `Infinity` and `-Infinity`; answers write infinities so, and NaN as null. Absent for a binary tensor, whose bytes follow the JSON.',
  );

/** Body of an infer request. The bodies are read by the codecs of libs/tensor; this describes them. */
export const inferRequestSchema = z
  .object({
    id: z.string().optional().describe('Repeated in the answer.'),
    parameters: parameters
      .optional()
      .describe('`timeout` (microseconds), `priority` (1 comes first, up to 255), `binary_data_output` (boolean).'),
    inputs: z.array(z.object({ name: z.string(), shape, datatype, parameters: parameters.optional(), data })),
    outputs: z
      .array(
        z.object({ name: z.string(), parameters: parameters.optional().describe('`binary_data`, `classification`.') }),
      )
      .optional()
      .describe('Outputs that are wanted, in order. Default: all.'),
  })
  .meta({ id: 'InferRequest', description: 'A request of the Open Inference Protocol.' });

/** Body of a job: an infer request that names its model. */
export const jobRequestSchema = z
  .object({
    model: z.string().min(1),
    version: z.string().optional().describe('Default: the default version of the model.'),
    ...inferRequestSchema.shape,
  })
  .meta({ id: 'JobRequest', description: 'An infer request that names its model.' });

/** Body of an infer response. */
export const inferResponseSchema = z
  .object({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional().describe('The id of the request, if it had one.'),
    parameters: parameters.optional(),
    outputs: z.array(z.object({ name: z.string(), datatype, shape, parameters: parameters.optional(), data })),
  })
  .meta({ id: 'InferResponse', description: 'The outputs of a request.' });
