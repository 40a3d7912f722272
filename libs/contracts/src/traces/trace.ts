import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';

/** Where a trace can be looked up. */
export const traceSchema = z
  .object({
    id: z.string().describe('32 lower-case hexadecimal digits.'),
    object: z.literal('trace'),
    url: z.string().describe('The trace at the query API of the trace backend: Jaeger’s, or Tempo’s.'),
  })
  .meta({ id: 'Trace', description: 'Where a trace can be looked up.' });

export type Trace = DeepReadonly<z.infer<typeof traceSchema>>;
