import * as z from 'zod';
import { DATATYPES, type ModelSignature, type TensorSpec } from '@sconce/tensor';

/** One input or output of a model. */
export const tensorSpecSchema: z.ZodType<TensorSpec> = z
  .strictObject({
    name: z.string().min(1).describe('Name of the tensor in the model.'),
    datatype: z.enum(DATATYPES).describe('Type of its elements.'),
    shape: z.array(z.int().min(-1)).describe('Size of each axis. -1 is a free axis.'),
  })
  .meta({ id: 'TensorSpec', description: 'Name, datatype and shape of a tensor.' });

/** The inputs and outputs of a version. */
export const modelSignatureSchema: z.ZodType<ModelSignature> = z
  .strictObject({
    inputs: z.array(tensorSpecSchema).describe('The inputs, in order.'),
    outputs: z.array(tensorSpecSchema).describe('The outputs, in order.'),
  })
  .meta({ id: 'ModelSignature', description: 'Inputs and outputs of a model version.' });
