import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  SpanKind,
  contextWithSpan,
  extractContext,
  injectContext,
  traceFields,
  type Context,
  type LoggedTrace,
  type Span,
  type Telemetry,
} from '@sconce/telemetry';

interface RequestTrace {
  readonly span: Span;
  readonly context: Context;
  readonly startedAtMs: number;
  /** Set by the handler: what the metrics call the model. */
  model: string;
  /** A caller that has gone may be answered all the same: a request counts once. */
  measured: boolean;
}

/** A property of the request and no WeakMap: that made the garbage collector keep what every request left behind (measured). */
const TRACE = 'sconceTrace';

type TracedRequest = FastifyRequest & { [TRACE]?: RequestTrace | undefined };

const traceOf = (request: FastifyRequest): RequestTrace | undefined => (request as TracedRequest)[TRACE];

/** The context of the request's server span: what the work it causes takes as parent. */
export function requestContext(request: FastifyRequest): Context {
  return traceOf(request)?.context ?? extractContext(request.headers);
}

/** What log lines about the request say of its trace. */
export function requestTraceFields(request: FastifyRequest): LoggedTrace {
  return traceFields(requestContext(request));
}

/** Names the model the request is about, for its span and the metrics. Only names of models that exist: labels are bounded. */
export function nameModel(request: FastifyRequest, model: string): void {
  const trace = traceOf(request);
  if (trace === undefined) return;
  trace.model = model;
  trace.span.setAttribute('sconce.model', model);
}

/** Requests that only watch the process make no spans. */
const UNTRACED = /^\/(v2\/health|metrics|docs)/;

/**
 * One server span and one measurement per request, continuing the caller's trace (W3C) and answering with
 * `traceparent`. Span names and labels use the route, never the raw URL.
 */
export function installRequestTrace(fastify: FastifyInstance, telemetry: Telemetry): void {
  const { tracer, metrics } = telemetry;
  fastify.decorateRequest(TRACE);
  fastify.addHook('onRequest', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    if (UNTRACED.test(route)) {
      done();
      return;
    }
    const parent = extractContext(request.headers);
    const span = tracer.startSpan(
      `${request.method} ${route}`,
      {
        kind: SpanKind.SERVER,
        attributes: {
          'http.request.method': request.method,
          'http.route': route,
          'url.path': request.url.split('?')[0] ?? '',
        },
      },
      parent,
    );
    const context = contextWithSpan(parent, span.spanContext());
    (request as TracedRequest)[TRACE] = { span, context, startedAtMs: performance.now(), model: '', measured: false };
    const { traceparent } = injectContext(context);
    if (traceparent !== undefined) reply.header('traceparent', traceparent);
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const trace = traceOf(request);
    if (trace !== undefined) {
      const { span } = trace;
      const status = String(reply.statusCode);
      span.setAttribute('http.response.status_code', reply.statusCode);
      if (reply.statusCode >= 500) span.setStatus({ code: 2 });
      span.end();
      measure(request, trace, { status, error: reply.statusCode >= 500 ? status : '' });
    }
    done();
  });
  // A caller that hangs up never sees a response: its span ends all the same.
  fastify.addHook('onRequestAbort', (request, done) => {
    const trace = traceOf(request);
    if (trace?.span.isRecording() === true) trace.span.setAttribute('sconce.caller_gone', true).end();
    if (trace !== undefined) measure(request, trace, { status: '', error: 'caller_gone' });
    done();
  });

  function measure(
    request: FastifyRequest,
    trace: RequestTrace,
    { status, error }: { readonly status: string; readonly error: string },
  ): void {
    if (trace.measured) return;
    trace.measured = true;
    const { span, startedAtMs, model } = trace;
    const labels = {
      http_request_method: request.method,
      http_route: request.routeOptions.url ?? '',
      http_response_status_code: status,
      error_type: error,
      model,
    };
    metrics.requestDuration.record((performance.now() - startedAtMs) / 1_000, labels, span.spanContext());
  }
}
