import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';

/** Where the time of a request went, in ms. Answers and job records carry it. */
export const requestTimingSchema = z.object({
  queueMs: z.number().describe('From acceptance until a worker took the request.'),
  batchMs: z.number().describe('From then until a thread got it: the wait for other rows or for a thread.'),
  runMs: z.number().describe('In the native runtime.'),
  batchRows: z.number().describe('Rows that shared the (last) run.'),
  answeredAtMs: z
    .number()
    .optional()
    .describe('Epoch ms at which the worker had the outputs, on its clock. For traces.'),
});

export type RequestTiming = DeepReadonly<z.infer<typeof requestTimingSchema>>;
