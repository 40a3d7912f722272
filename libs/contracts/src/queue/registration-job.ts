import * as z from 'zod';
import { traceContextSchema } from '../tracing/trace-context.ts';
import { jobVersionSchema, modelNameSchema, modelVersionNameSchema } from './job-version.ts';

/** A `register` job of the queue `sconce.registration`: one model version to register. */
export const registrationJobSchema = z.object({
  v: jobVersionSchema,
  model: modelNameSchema,
  version: modelVersionNameSchema,
  trace: traceContextSchema.optional().describe('The span of the push.'),
});

export type RegistrationJob = z.infer<typeof registrationJobSchema>;
