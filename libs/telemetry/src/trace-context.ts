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
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';

/** W3C trace headers, as they travel in HTTP, in a job's data and to a thread. */
export interface TraceHeaders {
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly baggage?: string;
}

type HeaderBag = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The caller's context out of HTTP headers (lower-case names) or a job's `TraceHeaders`; garbage gives a root context. */
export function extractContext(headers: HeaderBag | TraceHeaders): Context {
  return propagation.extract(ROOT_CONTEXT, headers as HeaderBag, {
    keys: (carrier) => Object.keys(carrier),
    get: (carrier, key) => carrier[key] as string | string[] | undefined,
  });
}

/** The headers that carry `context` on; without a valid span in it, an empty object. */
export function injectContext(context: Context): TraceHeaders {
  const headers: Record<string, string> = {};
  propagation.inject(context, headers);
  return headers;
}

/** The ids of a context's span as log lines have them; nothing where there is no span. */
export interface LoggedTrace {
  readonly trace_id?: string;
  readonly span_id?: string;
}

/** What a log line about work of another process or of a request says of its trace: of the context, or of a job's `TraceHeaders`. */
export function traceFields(of: Context | TraceHeaders | undefined): LoggedTrace {
  if (of === undefined) return {};
  const span = trace.getSpanContext('getValue' in of ? of : extractContext(of));
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
}

/** The span that a traceparent names; undefined where there is none, or it is not valid. */
export function spanOf(headers: TraceHeaders | undefined): SpanContext | undefined {
  return headers === undefined ? undefined : trace.getSpanContext(extractContext(headers));
}

/** A span that was measured already, perhaps in another thread or process. */
export interface SpanRecordOptions {
  readonly tracer: Tracer;
  readonly name: string;
  readonly parent: Context;
  /** Milliseconds since the epoch, with fractions: `performance.timeOrigin + performance.now()`. */
  readonly startMs: number;
  readonly endMs: number;
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  readonly links?: readonly Link[];
  /** Marks the span as failed. */
  readonly error?: { readonly message: string };
}

/**
 * Records a finished span in one call and returns its context, which may be the parent of others.
 * Under a parent that is not sampled nothing is made: the parent's own context comes back.
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
      ...(options.attributes !== undefined ? { attributes: options.attributes } : {}),
      ...(options.links !== undefined ? { links: [...options.links] } : {}),
    },
    options.parent,
  );
  if (options.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: options.error.message });
  // Clocks of two processes may disagree: a span never ends before it starts.
  span.end(epochMsToHrTime(Math.max(options.startMs, options.endMs)));
  return span.spanContext();
}

/** A context whose current span is `span`: what children made with `spanAt` or a tracer take as parent. */
export function contextWithSpan(parent: Context, span: SpanContext): Context {
  return trace.setSpanContext(parent, span);
}

/**
 * The SDK reads a plain number below the process's start time as `performance.now()`: a wait that began before this
 * process did would land in the wrong century. The pair form is never guessed at.
 */
function epochMsToHrTime(epochMs: number): HrTime {
  const seconds = Math.floor(epochMs / 1_000);
  return [seconds, Math.min(999_999_999, Math.round((epochMs - seconds * 1_000) * 1e6))];
}
