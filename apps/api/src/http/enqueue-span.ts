import type { TraceContext } from '@sconce/contracts';
import { SpanKind, contextWithSpan, injectContext, type Context, type Telemetry } from '@sconce/telemetry';

/** Runs `work` within the span `sconce.enqueue`. `work` gets the trace context that the worker continues. */
export async function enqueued<T>(
  tracer: Telemetry['tracer'],
  parent: Context,
  work: (trace: TraceContext | undefined) => Promise<T>,
): Promise<T> {
  const span = tracer.startSpan('sconce.enqueue', { kind: SpanKind.PRODUCER }, parent);
  const { traceparent, tracestate } = injectContext(contextWithSpan(parent, span.spanContext()));
  const trace = traceparent === undefined ? undefined : { traceparent, tracestate };
  try {
    return await work(span.isRecording() ? trace : undefined);
  } finally {
    span.end();
  }
}
