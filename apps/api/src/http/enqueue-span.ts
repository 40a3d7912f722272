import type { TraceContext } from '@sconce/contracts';
import { epochMs } from '@sconce/process/time';
import {
  SpanKind,
  contextWithSpan,
  endSpan,
  epochMsToHrTime,
  injectContext,
  type Context,
  type Span,
  type Telemetry,
} from '@sconce/telemetry';

/** The span `sconce.enqueue`, begun. */
export interface EnqueueSpan {
  readonly span: Span;
  readonly context: Context;
  /** What the worker continues; undefined if the trace is not recorded. */
  readonly trace: TraceContext | undefined;
}

/** Begins the span `sconce.enqueue`. To be ended with `endSpan`. */
export function beginEnqueue(tracer: Telemetry['tracer'], parent: Context): EnqueueSpan {
  const options = { kind: SpanKind.PRODUCER, startTime: epochMsToHrTime(epochMs()) };
  const span = tracer.startSpan('sconce.enqueue', options, parent);
  const context = contextWithSpan(parent, span.spanContext());
  const { traceparent, tracestate } = injectContext(context);
  const trace = traceparent === undefined || !span.isRecording() ? undefined : { traceparent, tracestate };
  return { span, context, trace };
}

/** Runs `work` within the span `sconce.enqueue`. `work` gets the trace context that the worker continues. */
export async function enqueued<T>(
  tracer: Telemetry['tracer'],
  parent: Context,
  work: (trace: TraceContext | undefined) => Promise<T>,
): Promise<T> {
  const { span, trace } = beginEnqueue(tracer, parent);
  try {
    return await work(trace);
  } finally {
    endSpan(span);
  }
}
