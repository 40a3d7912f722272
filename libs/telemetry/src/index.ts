export {
  ROOT_CONTEXT,
  SpanKind,
  context,
  trace,
  type Attributes,
  type Context,
  type Link,
  type Meter,
  type Span,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
export { serializeErrorForLog, type LoggedError } from './error-serializer.ts';
export { HealthServer } from './health-server.ts';
export {
  LOG_LEVELS,
  createLogger,
  type DestinationStream,
  type LogLevel,
  type Logger,
  type LoggerOptions,
} from './logger.ts';
export { CONTENT_TYPES, formatFor, type ExpositionFormat } from './metrics/exposition.ts';
export { mergeExpositions, type ProcessExposition } from './metrics/merge-expositions.ts';
export type { MetricDefinition } from './metrics/metric-definition.ts';
export { METRICS, type MetricKey } from './metrics/metric-table.ts';
export type { Reading, SconceMetrics } from './metrics/recorders.ts';
export type { RequestTrace, RequestTracer, ServerSpan } from './request-trace.ts';
export { telemetryConfigFromEnv, telemetryConfigSchema, type TelemetryConfig } from './telemetry-config.ts';
export { startTelemetry, type Telemetry, type TelemetryOptions } from './telemetry.ts';
export {
  contextWithSpan,
  endSpan,
  epochMsToHrTime,
  extractContext,
  injectContext,
  spanAt,
  spanOf,
  traceFields,
  type LoggedTrace,
  type SpanRecordOptions,
  type TraceHeaders,
} from './trace-context.ts';
