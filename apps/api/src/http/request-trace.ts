import type { FastifyInstance, FastifyRequest } from 'fastify';
import { epochMs } from '@sconce/process/time';
import {
  SpanKind,
  endSpan,
  extractContext,
  spanAt,
  traceFields,
  type Context,
  type LoggedTrace,
  type RequestTrace,
  type ServerSpan,
  type Telemetry,
} from '@sconce/telemetry';

interface MeasuredRequest {
  readonly trace: RequestTrace;
  readonly startedAtMs: number;
  /** Name of the model in metrics. The handler sets it. */
  model: string;
  /** When the encoding of the answer began, epoch ms; set only if the trace is recorded. */
  encodingFromMs: number | undefined;
  /** Whether the request is counted already: an answer may be written although the caller has disconnected. */
  isMeasured: boolean;
}

/** A property of the request, because a WeakMap made the garbage collector keep the objects of every request (measured). */
const TRACE = 'sconceTrace';

type TracedRequest = FastifyRequest & { [TRACE]?: MeasuredRequest | undefined };

const measuredOf = (request: FastifyRequest): MeasuredRequest | undefined => (request as TracedRequest)[TRACE];

/** The context of the request's server span: the parent of all work for the request. */
export function requestContext(request: FastifyRequest): Context {
  return measuredOf(request)?.trace.context ?? extractContext(request.headers);
}

/** The trace of the request if its spans are recorded. */
export function recordedTrace(request: FastifyRequest): RequestTrace | undefined {
  const trace = measuredOf(request)?.trace;
  return trace?.span === undefined ? undefined : trace;
}

/** The span `sconce.encode` lasts from this time, epoch ms, until the answer is written. Only for recorded traces. */
export function markEncoding(request: FastifyRequest, fromMs: number): void {
  const measured = measuredOf(request);
  if (measured !== undefined) measured.encodingFromMs = fromMs;
}

/** The trace fields of log lines about the request. */
export function requestTraceFields(request: FastifyRequest): LoggedTrace {
  return traceFields(requestContext(request));
}

/** Sets the model of the request in its span and metrics. Only for models that exist, because metric labels must be bounded. */
export function nameModel(request: FastifyRequest, model: string): void {
  const measured = measuredOf(request);
  if (measured === undefined) return;
  measured.model = model;
  measured.trace.span?.setAttribute('sconce.model', model);
}

/** Requests for health, metrics and documents make no spans. */
const UNTRACED = /^\/(v2\/health|metrics|docs)/;

/**
 * Makes one server span, if the trace is recorded, and one measurement per request. The span continues the caller's trace (W3C), and the
 * answer has `traceparent`. Span names and labels use the route, never the raw URL.
 */
export function installRequestTrace(fastify: FastifyInstance, telemetry: Telemetry): void {
  const { requestTracer, metrics } = telemetry;
  fastify.decorateRequest(TRACE);
  fastify.addHook('onRequest', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    if (UNTRACED.test(route)) {
      done();
      return;
    }
    const trace = requestTracer.begin(request, () => serverSpan(request, route));
    (request as TracedRequest)[TRACE] = {
      trace,
      startedAtMs: performance.now(),
      model: '',
      encodingFromMs: undefined,
      isMeasured: false,
    };
    reply.header('traceparent', trace.traceparent);
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const measured = measuredOf(request);
    if (measured !== undefined) {
      const { span, context } = measured.trace;
      if (span !== undefined) {
        const endMs = epochMs();
        const startMs = measured.encodingFromMs;
        if (startMs !== undefined)
          spanAt({ tracer: telemetry.tracer, name: 'sconce.encode', parent: context, startMs, endMs });
        span.setAttribute('http.response.status_code', reply.statusCode);
        if (reply.statusCode >= 500) span.setStatus({ code: 2 });
        endSpan(span, endMs);
      }
      const status = String(reply.statusCode);
      measure(request, measured, { status, error: reply.statusCode >= 500 ? status : '' });
    }
    done();
  });
  // A caller that disconnects gets no response. The span ends nevertheless.
  fastify.addHook('onRequestAbort', (request, done) => {
    const measured = measuredOf(request);
    const span = measured?.trace.span;
    if (span?.isRecording() === true) endSpan(span.setAttribute('sconce.caller_gone', true));
    if (measured !== undefined) measure(request, measured, { status: '', error: 'caller_gone' });
    done();
  });

  function measure(
    request: FastifyRequest,
    measured: MeasuredRequest,
    { status, error }: { readonly status: string; readonly error: string },
  ): void {
    if (measured.isMeasured) return;
    measured.isMeasured = true;
    const { trace, startedAtMs, model } = measured;
    const labels = {
      http_request_method: request.method,
      http_route: request.routeOptions.url ?? '',
      http_response_status_code: status,
      error_type: error,
      model,
    };
    metrics.requestDuration.record((performance.now() - startedAtMs) / 1_000, labels, trace.span?.spanContext());
  }
}

function serverSpan(request: FastifyRequest, route: string): ServerSpan {
  return {
    name: `${request.method} ${route}`,
    kind: SpanKind.SERVER,
    attributes: {
      'http.request.method': request.method,
      'http.route': route,
      'url.path': request.url.split('?')[0] ?? '',
    },
  };
}
