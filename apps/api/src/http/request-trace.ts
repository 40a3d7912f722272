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
  /** Name of the model in metrics. The handler sets it. */
  model: string;
  /** Whether the request is counted already: an answer may be written although the caller has disconnected. */
  measured: boolean;
}

/** A property of the request, because a WeakMap made the garbage collector keep the objects of every request (measured). */
const TRACE = 'sconceTrace';

type TracedRequest = FastifyRequest & { [TRACE]?: RequestTrace | undefined };

const traceOf = (request: FastifyRequest): RequestTrace | undefined => (request as TracedRequest)[TRACE];

/** The context of the request's server span: the parent of all work for the request. */
export function requestContext(request: FastifyRequest): Context {
  return traceOf(request)?.context ?? extractContext(request.headers);
}

/** The trace fields of log lines about the request. */
export function requestTraceFields(request: FastifyRequest): LoggedTrace {
  return traceFields(requestContext(request));
}

/** Sets the model of the request in its span and metrics. Only for models that exist, because metric labels must be bounded. */
export function nameModel(request: FastifyRequest, model: string): void {
  const trace = traceOf(request);
  if (trace === undefined) return;
  trace.model = model;
  trace.span.setAttribute('sconce.model', model);
}

/** Requests for health, metrics and documents make no spans. */
const UNTRACED = /^\/(v2\/health|metrics|docs)/;

/**
 * Makes one server span and one measurement per request. The span continues the caller's trace (W3C), and the answer has
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
  // A caller that disconnects gets no response. The span ends nevertheless.
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
