import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  isSpanContextValid,
  propagation,
  trace,
  type Attributes,
  type Context,
  type HrTime,
  type Link,
  type Span,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
import { epochMs } from '@sconce/process/time';

/** W3C trace headers of an HTTP request, of a job's data or of a message to a thread. */
export interface TraceHeaders {
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly baggage?: string;
}

type HeaderBag = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Reads the caller's context from HTTP headers (lower-case names) or a job's `TraceHeaders`. Invalid headers give a root context. */
export function extractContext(headers: HeaderBag | TraceHeaders): Context {
  return propagation.extract(ROOT_CONTEXT, headers as HeaderBag, {
    keys: (carrier) => Object.keys(carrier),
    get: (carrier, key) => carrier[key] as string | string[] | undefined,
  });
}

/** The headers that pass `context` on; an empty object if the context has no valid span. */
export function injectContext(context: Context): TraceHeaders {
  const headers: Record<string, string> = {};
  propagation.inject(context, headers);
  return headers;
}

/** The ids of a span in a log line. Both are absent if there is no span. */
export interface LoggedTrace {
  readonly trace_id?: string;
  readonly span_id?: string;
}

/** The trace fields of a log line about a request or about work of another process, from its context or a job's `TraceHeaders`. */
export function traceFields(of: Context | TraceHeaders | undefined): LoggedTrace {
  if (of === undefined) return {};
  const span = trace.getSpanContext('getValue' in of ? of : extractContext(of));
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
}

/** The span that a traceparent names; undefined if there is none or it is not valid. */
export function spanOf(headers: TraceHeaders | undefined): SpanContext | undefined {
  return headers === undefined ? undefined : trace.getSpanContext(extractContext(headers));
}

/** A finished span, perhaps measured in another thread or process. */
export interface SpanRecordOptions {
  readonly tracer: Tracer;
  readonly name: string;
  readonly parent: Context;
  /** Milliseconds since the epoch, with fractions (`epochMs`). */
  readonly startMs: number;
  readonly endMs: number;
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  readonly links?: readonly Link[];
  /** Marks the span as failed. */
  readonly error?: { readonly message: string };
}

/**
 * Records a finished span and returns its context, which may be the parent of others.
 * If the parent is not sampled, no span is recorded and the parent's context is returned.
 */
export function spanAt(options: SpanRecordOptions): SpanContext {
  const parent = trace.getSpanContext(options.parent);
  if (parent !== undefined && isSpanContextValid(parent) && (parent.traceFlags & TraceFlags.SAMPLED) === 0) {
    return parent;
  }
  const span = options.tracer.startSpan(
    options.name,
    {
      startTime: epochMsToHrTime(options.startMs),
      kind: options.kind ?? SpanKind.INTERNAL,
      attributes: options.attributes,
      links: options.links === undefined ? undefined : [...options.links],
    },
    options.parent,
  );
  if (options.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: options.error.message });
  // Clocks of two processes may differ. A span never ends before it starts.
  span.end(epochMsToHrTime(Math.max(options.startMs, options.endMs)));
  return span.spanContext();
}

/** Ends a span that was started with an explicit time: without one, the SDK would end it at a whole millisecond. */
export function endSpan(span: Span, atMs = epochMs()): void {
  span.end(epochMsToHrTime(atMs));
}

/** A context with `span` as its current span, to be the parent of spans from `spanAt` or a tracer. */
export function contextWithSpan(parent: Context, span: SpanContext): Context {
  return trace.setSpanContext(parent, span);
}

/**
 * A time as the SDK takes it, from epoch ms with fractions. The SDK takes a plain number below the process's start time for a `performance.now()`. A wait that began before this process would get a
 * wrong time. It takes the pair form as it is.
 */
export function epochMsToHrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.min(999_999_999, Math.round((ms - seconds * 1_000) * 1e6))];
}
