import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';

/** The W3C trace context of a span: what a queue message carries so that the receiver continues the trace. */
export const traceContextSchema = z.object({
  traceparent: z.string().describe('W3C traceparent: version, trace id, span id and flags.'),
  tracestate: z.string().optional().describe('W3C tracestate: data of tracing vendors.'),
});

export type TraceContext = DeepReadonly<z.infer<typeof traceContextSchema>>;
