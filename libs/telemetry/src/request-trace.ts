import { randomBytes } from 'node:crypto';
import {
  ROOT_CONTEXT,
  TraceFlags,
  trace,
  type Context,
  type Span,
  type SpanContext,
  type SpanOptions,
  type Tracer,
} from '@opentelemetry/api';
import { epochMs } from '@sconce/process/time';
import type { RootSampler } from './root-sampler.ts';
import { contextWithSpan, epochMsToHrTime, extractContext, injectContext } from './trace-context.ts';

/** The trace of one HTTP request. */
export interface RequestTrace {
  /** The server span; undefined if the trace is not recorded. */
  readonly span: Span | undefined;
  /** When the server span started, epoch ms with fractions; 0 if the trace is not recorded. */
  readonly startedAtMs: number;
  /** W3C, for the answer: it names the trace also if it is not recorded. */
  readonly traceparent: string;
  /** The parent of all spans for the request. */
  readonly context: Context;
}

/** The name and the attributes of a server span. */
export interface ServerSpan extends SpanOptions {
  readonly name: string;
}

/** What is read of a request. */
export interface TracedHttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Begins the traces of HTTP requests. A request whose trace is not recorded costs no span, only two ids. */
export class RequestTracer {
  readonly #tracer: Tracer;
  readonly #sampler: RootSampler;

  constructor(tracer: Tracer, sampler: RootSampler) {
    this.#tracer = tracer;
    this.#sampler = sampler;
  }

  /** Continues the trace of the `traceparent` header, or begins one. `span` is called only if the trace is recorded. */
  begin({ headers, method }: TracedHttpRequest, span: () => ServerSpan): RequestTrace {
    const isRead = method === 'GET' || method === 'HEAD';
    if (headers['traceparent'] === undefined) {
      return this.#sampler.decide(isRead) ? this.#record(ROOT_CONTEXT, span()) : new UnrecordedTrace(nextTraceId());
    }
    const parent = extractContext(headers);
    const caller = trace.getSpanContext(parent);
    if (caller === undefined) {
      return this.#sampler.decide(isRead) ? this.#record(parent, span()) : new UnrecordedTrace(nextTraceId());
    }
    if ((caller.traceFlags & TraceFlags.SAMPLED) === 0) return new UnrecordedTrace(caller.traceId, parent);
    return this.#record(parent, span());
  }

  #record(parent: Context, { name, ...options }: ServerSpan): RequestTrace {
    // The SDK's own start is a whole millisecond: spans that were measured in fractions would lie outside.
    const startedAtMs = epochMs();
    const span = this.#tracer.startSpan(name, { ...options, startTime: epochMsToHrTime(startedAtMs) }, parent);
    const context = contextWithSpan(parent, span.spanContext());
    return { span, startedAtMs, context, traceparent: injectContext(context).traceparent ?? '' };
  }
}

/** A trace whose spans are not recorded. Its context is made when it is asked for. */
class UnrecordedTrace implements RequestTrace {
  readonly span = undefined;
  readonly startedAtMs = 0;
  readonly #traceId: string;
  readonly #spanId = nextSpanId();
  readonly #parent: Context;

  constructor(traceId: string, parent = ROOT_CONTEXT) {
    this.#traceId = traceId;
    this.#parent = parent;
  }

  get traceparent(): string {
    return `00-${this.#traceId}-${this.#spanId}-00`;
  }

  get context(): Context {
    const span: SpanContext = { traceId: this.#traceId, spanId: this.#spanId, traceFlags: TraceFlags.NONE };
    return contextWithSpan(this.#parent, span);
  }
}

// Ids of traces that nobody records name a request in logs. A random part per process and a counter are unique and cost no random bytes.
const TRACE_PREFIX = randomBytes(10).toString('hex');
const SPAN_PREFIX = randomBytes(2).toString('hex');
let ids = 0;

function nextTraceId(): string {
  return TRACE_PREFIX + (++ids).toString(16).padStart(12, '0');
}

function nextSpanId(): string {
  return SPAN_PREFIX + (++ids).toString(16).padStart(12, '0');
}
